"""Each command in a real terminal."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis, RunReport, RunRequest, RunResult, Script, Step
from tests.cli.terminal import CTRL_C, CTRL_D, in_terminal
from tests.conftest import Serve
from tests.servers import EndlessEngine, GatedEngine

pytestmark = pytest.mark.processes

COLOUR = re.compile(r"\x1b\[(?:\d+;)*3[0-9]m")
QUESTION = "Neap tides are small. Which tides are small?"


class OnceEndlessEngine(EndlessEngine):
    """Never answers its first run; later ones with the number of messages in the conversation."""

    def __init__(self) -> None:
        self._is_first = True

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        if self._is_first:
            self._is_first = False
            return await super().run(request, report)
        await asyncio.sleep(0)
        return RunResult(output_text=f"There are **{len(request.messages)} messages**.")


@pytest.fixture
def service(local: LocalLumnis, user: str) -> dict[str, str]:
    """The shared service as an environment."""
    return environment(local, user)


def environment(local: LocalLumnis, user: str) -> dict[str, str]:
    return {"LUMNISAI_API_KEY": local.api_key, "LUMNISAI_BASE_URL": local.base_url, "LUMNISAI_USER_ID": user}


def test_chat(serve: Serve, user: str, tmp_path: Path) -> None:
    """Ctrl-C stops the run on the service and the chat continues; then the commands; Ctrl-D leaves."""
    local = serve(OnceEndlessEngine(), poll="on-change")
    with in_terminal("chat", environment=environment(local, user), folder=tmp_path) as terminal:
        terminal.until("/help lists commands")
        terminal.until("> ")
        terminal.type("What is a neap tide?\n")
        terminal.until("Working.")
        terminal.type(CTRL_C)
        terminal.until("Stopped.")
        terminal.until("> ")
        terminal.type("And a spring tide?\n")
        terminal.until("messages.")
        terminal.until("> ")
        seen: dict[str, str] = {}
        for typed, shown in [
            ("/title Tides of North Quay", "Title: Tides of North Quay"),
            ("/history", "messages."),
            ("/nope", "there is no command /nope"),
            ("/new", "starts a new conversation"),
            ("/thread 1", "There is no thread 1"),
            ("/threads", "Tides of North Quay\n"),
            ("/thread 1", "Continuing Tides of North Quay"),
        ]:
            terminal.type(f"{typed}\n")
            seen[typed] = terminal.until(shown)
            terminal.until("> ")
        assert "(cancelled)" in seen["/history"]
        terminal.type("half a question")
        terminal.until("half a question")
        terminal.press_until(CTRL_C, "/quit or Ctrl-D leaves.")
        terminal.until("> ")
        terminal.type(CTRL_D)
        status, rest = terminal.end()
    assert (status, "Traceback" in terminal.raw) == (0, False)
    assert "To continue: lumnis chat --thread" in rest
    with Client(local.api_key, base_url=local.base_url, user_id=user) as client:
        (thread,) = client.list_threads().threads
        runs = client.threads.get_responses(thread.thread_id)
    assert [run.status for run in runs] == ["succeeded", "cancelled"]


def test_ctrl_c_in_ask(serve: Serve, user: str, tmp_path: Path) -> None:
    """Status 130, no traceback, no colour where none is wanted, and the run is stopped on the service."""
    local = serve(EndlessEngine(), poll="on-change")
    known = environment(local, user) | {"NO_COLOR": "1"}
    with in_terminal("ask", "What is a neap tide?", environment=known, folder=tmp_path) as terminal:
        terminal.until("Working.")
        terminal.type(CTRL_C)
        terminal.until("Interrupted.")
        status, _ = terminal.end()
    assert (status, "Traceback" in terminal.raw, COLOUR.search(terminal.raw)) == (130, False, None)
    with Client(local.api_key, base_url=local.base_url, user_id=user) as client:
        (run,) = client.list_responses().responses
        assert client.get_response(run.response_id, wait=10).status == "cancelled"


def test_ask(service: dict[str, str], tmp_path: Path) -> None:
    """A picture of the progress, in colours, which folds to a line with steps and time, and then the answer."""
    with in_terminal("ask", QUESTION, environment=service, folder=tmp_path) as terminal:
        folded = terminal.until("Neap tides are small.")
        status, rest = terminal.end()
    assert status == 0
    assert re.search(r"✓ \d steps, \d+\.\d s *\n", folded)
    assert COLOUR.search(terminal.raw)
    assert "To continue: lumnis chat --thread" in rest


@pytest.mark.parametrize("columns", [60, 80])
def test_a_run_that_works_shows_how_long(columns: int, serve: Serve, user: str, tmp_path: Path) -> None:
    """Beside a mark that turns, also before the first step; no line is longer than the terminal."""
    engine = GatedEngine(Script([Step("Reading. " * 30)], output_text=""), Script([], output_text="Done."))
    local = serve(engine, poll="on-change")
    known = environment(local, user)
    with in_terminal("ask", "Hello", environment=known, folder=tmp_path, columns=columns) as terminal:
        seen = terminal.until(" s")
        while not re.search(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] \d+\.\d s$", seen):
            seen = terminal.until(" s")
        engine.open()
        terminal.until("PROCESSING: Reading.")
        engine.open()
        terminal.until("✓ 1 step")
        status, rest = terminal.end()
    assert (status, "Done." in rest) == (0, True)


def test_lists(service: dict[str, str], tmp_path: Path, client: Client) -> None:
    """Tables with titles, whole ids, and times for people."""
    run = client.invoke(QUESTION)
    file = client.files.upload(b"Tides.", file_name="tides.md").file_id
    for command, title, identity in [
        ("runs", "ABOUT", run.response_id),
        ("threads", "LAST RUN", run.thread_id or ""),
        ("files", "NAME", file),
    ]:
        with in_terminal(command, "list", environment=service, folder=tmp_path) as terminal:
            terminal.until(title)
            terminal.until(identity)
            assert terminal.end()[0] == 0
            assert all(len(line) <= 100 for line in terminal.raw.splitlines())


def test_serve(tmp_path: Path) -> None:
    """Ctrl-C is the regular end."""
    with in_terminal("serve", "--port", "0", environment={}, folder=tmp_path) as terminal:
        terminal.until("LUMNISAI_API_KEY=lmn_")
        terminal.until("Stop with Ctrl-C.")
        terminal.type(CTRL_C)
        assert terminal.end()[0] == 0
    assert "Traceback" not in terminal.raw
