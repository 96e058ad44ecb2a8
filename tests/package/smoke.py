"""What must work in an environment that has the wheel, pytest and one extra, asked of a service that runs elsewhere.

``LUMNISAI_API_KEY`` and ``LUMNISAI_BASE_URL`` name the service, ``EXTRA`` the extra that is installed.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import subprocess
import sys
from importlib.metadata import distribution, version
from pathlib import Path

import pytest

import lumnisai_core
import lumnisai_integrations
from lumnisai_core import AsyncClient, Client

USER = "user-123"
QUESTION = "Ann has three cats. How many cats has Ann?"
EXTRA = os.environ.get("EXTRA", "")

#: A public name for each extra, and what must be said where the extra is missing.
NAMES = [
    ("langchain", "lumnisai_integrations.langchain", "ChatLumnis"),
    ("llama-index", "lumnisai_integrations.llama_index", "LumnisLLM"),
    ("local", "lumnisai_core.local", "LocalLumnis"),
    ("ray", "lumnisai_integrations.bulk.ray", "map_runs"),
]
#: Extras that bring others.
BRINGS = {
    "all": {"langchain", "llama-index", "local", "aiohttp", "files", "mcp", "cli", "lucidic", "liminal-local"},
    "liminal-ner": {"liminal-local"},
    "ray": {"aiohttp"},
}


def has(extra: str) -> bool:
    return extra == EXTRA or extra in BRINGS.get(EXTRA, set())


def test_the_installed_package_is_tested() -> None:
    for package in (lumnisai_core, lumnisai_integrations):
        assert "site-packages" in Path(str(package.__file__)).parts
    assert lumnisai_core.__version__ == version("lumnisai-integrations")
    shipped = {str(file) for file in distribution("lumnisai-integrations").files or ()}
    assert {"lumnisai_core/py.typed", "lumnisai_integrations/py.typed", "lumnisai_core/local/window.html"} <= shipped
    assert not [file for file in shipped if file.startswith("tests")]


def test_the_core_works() -> None:
    with Client(user_id=USER) as client:
        assert "three cats" in (client.invoke(QUESTION).output_text or "")
        with client.invoke(QUESTION, stream=True) as updates:
            assert list(updates)[-1].status == "succeeded"
        assert client.threads.list().threads


def test_the_core_works_with_asyncio() -> None:
    async def ask() -> str | None:
        async with AsyncClient(user_id=USER) as client:
            return (await client.invoke(QUESTION)).output_text

    assert "three cats" in (asyncio.run(ask()) or "")


@pytest.mark.parametrize(("extra", "package", "name"), NAMES)
def test_a_missing_extra_is_named(extra: str, package: str, name: str) -> None:
    if has(extra):
        assert getattr(importlib.import_module(package), name)
    else:
        with pytest.raises(ImportError, match=rf"lumnisai-integrations\[{extra}\]"):
            getattr(importlib.import_module(package), name)


def test_the_extra_works() -> None:
    checks = {
        "langchain": _langchain,
        "llama-index": _llama_index,
        "local": _local,
        "aiohttp": _aiohttp,
        "files": _files,
        "cli": _command_line,
        "mcp": _mcp,
        "lucidic": _lucidic,
        "liminal-local": _liminal_local,
        "ray": _ray,
        "notebook": _notebook,
    }
    wanted = [extra for extra in checks if has(extra)]
    assert wanted or EXTRA == ""
    for extra in wanted:
        checks[extra]()


def _langchain() -> None:
    from langchain_core.tools import tool

    from lumnisai_integrations import langchain

    @tool
    def get_weather(city: str) -> str:
        """Get the weather in a city."""
        return city

    model = langchain.ChatLumnis(user_id=USER)
    assert "three cats" in model.invoke(QUESTION).text
    assert model.bind_tools([get_weather]).invoke("What is the weather in Paris?").tool_calls
    engines = {"ChatModelEngine"}  # answers runs of the embedded service, which is an extra of its own
    assert [getattr(langchain, name) for name in langchain.__all__ if has("local") or name not in engines]


def _llama_index() -> None:
    from lumnisai_integrations import llama_index

    assert "three cats" in llama_index.LumnisLLM(user_id=USER).complete(QUESTION).text
    assert [getattr(llama_index, name) for name in llama_index.__all__]
    assert importlib.import_module("llama_index.llms.lumnis").LumnisLLM is llama_index.LumnisLLM


def _local() -> None:
    from lumnisai_core.local import LocalLumnis

    with LocalLumnis() as local, Client(local.api_key, base_url=local.base_url, user_id=USER) as client:
        assert client.invoke(QUESTION).output_text


def _aiohttp() -> None:
    assert importlib.import_module("lumnisai_core._transport.pool").BULK_AVAILABLE


def _files() -> None:
    for reader in ("pypdf", "docx"):
        importlib.import_module(reader)


def _mcp() -> None:
    assert importlib.import_module("lumnisai_integrations.mcp").mcp_server


def _lucidic() -> None:
    lai = importlib.import_module("lumnisai_core.lucidic")
    assert lai.init
    assert lai.statistics()


def _liminal_local() -> None:
    for checker in ("phonenumbers", "stdnum"):
        importlib.import_module(checker)


def _ray() -> None:
    assert importlib.import_module("lumnisai_integrations.bulk.ray").map_runs


def _notebook() -> None:
    from lumnisai_integrations.experiments import Exact, Experiment

    rows = [{"text": "a", "expected": "A"}]
    results = Experiment("letters", rows, {"upper": lambda row: row["text"].upper()}, [Exact()]).run(progress=False)
    assert results.summary()[0].means["exact"].value == 1
    assert len(results.to_pandas()) == 1
    assert results.plot().axes


def _command_line() -> None:
    command = Path(sys.executable).with_name("lumnis")
    done = subprocess.run([command, "ask", QUESTION], capture_output=True, text=True, check=True, timeout=120)
    assert "three cats" in done.stdout
