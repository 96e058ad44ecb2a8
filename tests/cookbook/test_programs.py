"""Programs of the cookbook that need no further packages, run as they stand against the embedded service."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import yaml  # type: ignore[import-untyped]  # ships no types

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.cli import main
from tests.cookbook import pages
from tests.cookbook.conftest import Run

pytestmark = pytest.mark.timeout(300)  # the first imports of frameworks take their time on a busy machine

QUESTION = "Which tides follow the full moon?"


def _make_files(folder: Path) -> None:
    """Make the files of the page with its own commands."""
    commands = re.search(r"^```console\n(.*?)^```$", pages.text_of("rag"), re.MULTILINE | re.DOTALL)
    assert commands is not None
    lines = [line.removeprefix("$ ") for line in commands[1].splitlines()]
    subprocess.run(["sh", "-ec", "\n".join(lines)], cwd=folder, check=True)


def test_an_answer_from_a_folder_has_sources(run: Run, tmp_path: Path) -> None:
    """As the page shows them; a second upload replaces the first."""
    _make_files(tmp_path)
    for _ in range(2):
        assert run("rag", "rag_langchain.py", "harbour", QUESTION) == pages.outputs_of("rag")[0]
    with Client(user_id="user-123") as client:
        assert client.files.list().total == 2


def test_llama_index_has_the_same_sources(run: Run, client: Client) -> None:
    """Of files that were uploaded before, by their tag."""
    text = b"Spring tides follow the full moon. Neap tides follow its quarters."
    file = client.files.upload(text, file_name="tides.md", tags=["harbour"], duplicate_handling="replace")
    client.files.wait_until_processed(file.file_id)
    assert run("rag", "rag_llama_index.py", "harbour", QUESTION) == pages.outputs_of("rag")[1]


def test_the_model_of_a_guarded_agent_gets_a_placeholder(run: Run) -> None:
    """The tool and the reader get the address."""
    printed = run("guarded-agent", "guarded.py", "mira@example.org")
    assert printed == pages.outputs_of("guarded-agent")[0]
    got = [line for line in printed.splitlines() if line.startswith("The model got")]
    assert got
    assert "mira@example.org" not in "".join(got)


def test_an_agent_is_recorded_as_a_tree(run: Run) -> None:
    """Steps, calls of the model and of the tool, each below its parent; a step that grows may be two updates."""
    trees = [run("tracing", "recorded.py"), pages.outputs_of("tracing")[1]]
    printed, shown = ([line for line in tree.splitlines() if "Searching" not in line] for tree in trees)
    assert printed == shown


@pytest.fixture(scope="module")
def containers() -> dict[str, Any]:
    """The services of the page's compose file."""
    services: dict[str, Any] = yaml.safe_load(pages.files_of("open-webui")["compose.yaml"])["services"]
    return services


def test_open_webui_reaches_the_service_under_its_name(containers: dict[str, Any]) -> None:
    """With the address and the key that the compose file gives it: models, and an answer that streams."""
    command = [*containers["lumnis"]["entrypoint"], *containers["lumnis"]["command"]]
    assert command[:2] == ["lumnis", "serve"]
    with pytest.raises(SystemExit) as left:
        main([*command[1:], "--help"])  # its options are those of the command
    assert left.value.code == 0
    chat = containers["chat"]["environment"]
    address = httpx.URL(chat["OPENAI_API_BASE_URL"])
    assert chat["OPENAI_API_KEY"] == "${LUMNIS_KEY}"
    assert containers["lumnis"]["environment"]["LUMNISAI_SERVE_API_KEY"].startswith("${LUMNIS_KEY:")
    with (
        LocalLumnis(public_url=command[command.index("--public-url") + 1]) as local,
        openai.OpenAI(
            api_key=local.api_key,
            base_url=f"{local.base_url}{address.path}",
            default_headers={"host": f"{address.host}:{address.port}"},
        ) as client,
    ):
        assert [model.id for model in client.models.list()] == ["lumnis"]
        messages: Any = [{"role": "user", "content": "Neap tides are small. Which tides are small?"}]
        stream = client.chat.completions.create(model="lumnis", messages=messages, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "Neap tides are small."


def test_the_calls_of_open_webui_by_hand(run: Run, local: LocalLumnis, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the page shows them."""
    monkeypatch.setenv("OPENAI_BASE_URL", local.openai_base_url)
    monkeypatch.setenv("OPENAI_API_KEY", local.api_key)
    assert run("open-webui", "check_chat.py") == pages.outputs_of("open-webui")[0]


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    """In a pytest of their own, with no plugin but the package's."""
    pages.save("pytest", tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "lumnisai_integrations.pytest_plugin"]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert pages.outputs_of("pytest")[0].strip() in done.stdout, done.stdout
    assert done.returncode == 0
