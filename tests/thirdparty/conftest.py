"""A service that plays moves, models and LLMs that speak to it, and a watch that nothing leaves this machine."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from lumnisai_core import Client, ResponseObject
from lumnisai_core.local import LocalLumnis, RunRequest
from lumnisai_integrations.langchain import ChatLumnis
from lumnisai_integrations.llama_index import LumnisLLM
from tests.conftest import Serve
from tests.thirdparty.moves import Move, Plan, Player

USER = "user-123"

#: Beginnings of settings under which packages report to their makers or read the credentials of whoever runs the tests.
_FOREIGN_SETTINGS = tuple(
    f"{name}_"
    for name in (
        *("ANTHROPIC", "DEEPEVAL", "DEEPSEEK", "GEMINI", "GOOGLE", "GROQ", "LANGCHAIN", "LANGFUSE", "LANGSMITH"),
        *("MISTRAL", "OLLAMA", "OPENAI", "OTEL", "RAGAS"),
    )
)
_SILENT = {"DEEPEVAL_TELEMETRY_OPT_OUT": "1", "DEEPEVAL_DISABLE_DOTENV": "1", "RAGAS_DO_NOT_TRACK": "true"}


#: The page with the versions that are tried, and a row of its table.
PAGE = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
_ROW = re.compile(r"^\| `(?P<package>[a-z-]+)` \| (?P<version>[0-9.]+) \|", re.MULTILINE)


def documented() -> dict[str, str]:
    """Return the versions that the page lists, by package."""
    return {row["package"]: row["version"] for row in _ROW.finditer(PAGE.read_text("utf-8"))}


def pytest_report_header() -> str:
    """Show the versions that are tried."""
    return "tried: " + ", ".join(f"{package} {version(package)}" for package in documented())


def pytest_configure(config: pytest.Config) -> None:
    """Let warnings pass, and keep deprecations quiet: those of other projects cannot be mended here."""
    for rule in ("default", "ignore::DeprecationWarning"):
        config.addinivalue_line("filterwarnings", rule)


class _Watch:
    """Refuses connections to other machines and remembers them."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.sendto"):
            address = args[1]
        elif event == "socket.getaddrinfo":
            address = args[:2]
        else:
            return
        if isinstance(address, tuple) and not _is_here(address[0]):
            self.refused.append(f"{event} {address[0]}:{address[1]}")
            raise ConnectionRefusedError(f"The tests reach no other machine: {address[0]}")


def _is_here(host: object) -> bool:
    if host in (None, "", "localhost", b"localhost"):
        return True
    try:
        return ip_address(host.decode() if isinstance(host, bytes) else str(host)).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session")
def _watch() -> _Watch:
    return _Watch()


@pytest.fixture(autouse=True)
def _alone(_watch: _Watch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Keep a test apart: no settings of the machine, no files left behind, no other machine reached."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN_SETTINGS):
            monkeypatch.delenv(name)
    for name, value in _SILENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)  # some packages keep caches where they are started, others in the home
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    _watch.refused.clear()
    yield
    assert _watch.refused == [], "something tried to reach another machine"


@pytest.fixture(autouse=True)
def _loop_shut_down(request: pytest.FixtureRequest) -> Iterator[None]:
    """Shut down the event loop that deepeval leaves open, as ``asyncio.run`` would, so that connections end with it."""
    yield
    if not inspect.iscoroutinefunction(request.function):
        with suppress(RuntimeError):  # no loop was left
            loop = asyncio.get_event_loop_policy().get_event_loop()
            loop.run_until_complete(loop.shutdown_asyncgens())


@dataclass
class Stage:
    """A service whose agent makes moves, and what speaks to it."""

    local: LocalLumnis
    player: Player
    _made: list[ChatLumnis | LumnisLLM] = field(default_factory=list)

    @property
    def requests(self) -> list[RunRequest]:
        """The runs so far, in order of arrival."""
        return self.player.requests

    @property
    def address(self) -> dict[str, Any]:
        """Where the service is and what opens it."""
        return {"api_key": self.local.api_key, "base_url": self.local.base_url}

    def chat(self, **fields: Any) -> ChatLumnis:
        """Make a chat model of LangChain."""
        model = ChatLumnis(**{**self.address, "user_id": USER, "progress_interval": 0.1, **fields})
        self._made.append(model)
        return model

    def llm(self, **fields: Any) -> LumnisLLM:
        """Make an LLM of LlamaIndex."""
        llm = LumnisLLM(**{**self.address, "user_id": USER, "progress_interval": 0.1, **fields})
        self._made.append(llm)
        return llm

    def runs(self, user_id: str = USER) -> list[ResponseObject]:
        """Return the runs of a user that the service stores, newest first."""
        with Client(**self.address, user_id=user_id) as client:
            return list(client.responses.iter())

    def close(self) -> None:
        """Close every connection of what was made."""
        for one in self._made:
            one.close()


Play = Callable[..., Stage]


@pytest.fixture
def play(serve: Serve) -> Iterator[Play]:
    """Start a service whose runs make these moves, in order: ``play(call("add", a=1, b=2), Says("3"))``."""
    stages: list[Stage] = []

    def start(*moves: Move, plan: Plan | None = None) -> Stage:
        player = Player(moves if plan is None else plan)
        stages.append(Stage(serve(player), player))
        return stages[-1]

    yield start
    for stage in stages:
        stage.close()
