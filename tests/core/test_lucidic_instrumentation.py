"""Instrumentation of providers by installed packages, and of frameworks by our own handlers."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

import lumnisai_core.lucidic as lai
from lumnisai_core.exceptions import ValidationError

ROOT = Path(__file__).resolve().parent.parent.parent

INSTRUMENTOR = """
calls = []

class Instrumentor:
    is_instrumented_by_opentelemetry = False

    def instrument(self, *, tracer_provider):
        calls.append(tracer_provider)
        Instrumentor.is_instrumented_by_opentelemetry = {works}
"""

Install = Callable[..., None]


def write_distribution(folder: Path, name: str, group: str, points: dict[str, str]) -> None:
    """Make a folder look like one in which a package with these entry points is installed."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{key} = {value}" for key, value in points.items()]
    info.joinpath("entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install an instrumentor: ``install("openinference-instrumentation-groq", "module")``."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(package: str, module: str, code: str = INSTRUMENTOR.format(works=True)) -> None:
        tmp_path.joinpath(f"{module}.py").write_text(code)
        write_distribution(tmp_path, package, "opentelemetry_instrumentor", {"x": f"{module}:Instrumentor"})

    return make


def test_an_installed_instrumentor_sends_its_spans_to_lucidic(install: Install) -> None:
    """Once, with our private tracer provider; the global one stays as it is."""
    install("openinference-instrumentation-groq", "groq_a")
    assert lai.instrument(["groq", "Groq"]) == ["groq"]
    assert lai.instrument(["groq"]) == ["groq"]
    assert sys.modules["groq_a"].calls == [lai.tracer_provider()]


def test_either_family_will_do_and_the_first_wins(install: Install) -> None:
    """OpenLLMetry if OpenInference is not there; one of them only."""
    install("opentelemetry-instrumentation-mistralai", "mistral_b")
    assert lai.instrument(["mistral"]) == ["mistralai"]
    install("openinference-instrumentation-vertexai", "vertex_a")
    install("opentelemetry-instrumentation-vertexai", "vertex_b")
    assert lai.instrument(["vertex-ai"]) == ["vertexai"]
    assert "vertex_b" not in sys.modules


def test_one_that_is_not_installed_is_named_with_its_package(caplog: pytest.LogCaptureFixture) -> None:
    """As a warning: the program runs on."""
    assert lai.instrument(["cohere", "bedrock", "pydantic_ai"]) == []
    assert "pip install opentelemetry-instrumentation-cohere" in caplog.text
    assert "openinference-instrumentation-bedrock or opentelemetry-instrumentation-bedrock" in caplog.text
    assert "pip install pydantic-ai-slim" in caplog.text


def test_an_instrumentor_that_fails_stops_nobody(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    """Neither one that raises nor one that finds nothing to instrument."""
    install("openinference-instrumentation-litellm", "litellm_a", "raise RuntimeError('broken instrumentor')")
    install("opentelemetry-instrumentation-ollama", "ollama_a", INSTRUMENTOR.format(works=False))
    assert lai.instrument(["litellm", "ollama"]) == []
    assert "broken instrumentor" in caplog.text


@pytest.mark.parametrize("providers", [["opneai"], "openai", [""]])
def test_an_unknown_provider_is_refused(providers: list[str]) -> None:
    """With the names that are known; nothing is instrumented."""
    with pytest.raises(ValidationError, match="providers"):
        lai.instrument(providers)


PROGRAM = """
from langchain_core.language_models import FakeListChatModel
from llama_index.core.llms import MockLLM
import lumnisai_core.lucidic as lai
from tests.servers import Canned, canned_server
from tests.shared.events import Recorded

with canned_server([Canned(body={})]) as server:
    providers = ["langchain", "llama_index"]
    lai.init("test", api_key="k", agent_id="a", base_url=server.base_url, providers=providers)
    assert lai.instrument(providers) == providers
    FakeListChatModel(responses=["x"]).invoke("?")
    MockLLM(max_tokens=1).complete("?")
    print(sorted(name for name, _ in Recorded(server).trees()))
    lai.end_session()
    lai.flush(10)
"""


@pytest.mark.processes
def test_frameworks_are_recorded_by_our_own_handlers(tmp_path: Path) -> None:
    """Everywhere in the process, without callbacks in any call; a second time changes nothing."""
    points = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text())["project"]["entry-points"]
    write_distribution(tmp_path, "of-this-tree", "lumnisai_core.lucidic", points["lumnisai_core.lucidic"])
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['FakeListChatModel', 'unknown']"


@pytest.mark.processes
def test_a_framework_that_is_not_installed_is_named(tmp_path: Path) -> None:
    """With the extra that brings it."""
    points = {"langchain": "no_such_module:instrument"}
    write_distribution(tmp_path, "of-this-tree", "lumnisai_core.lucidic", points)
    program = "import logging; logging.basicConfig(); import lumnisai_core.lucidic as l; l.instrument(['langchain'])"
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert "lumnisai-integrations[langchain,lucidic]" in done.stderr
