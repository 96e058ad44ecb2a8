"""The demo: one case on all four platforms, in narrow lines, and the picture of it in the README."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lumnisai_core import Client, lucidic
from lumnisai_core.lucidic import EventRecord
from lumnisai_integrations._commands.keys import SERVED_KEY
from lumnisai_integrations._commands.page import COLUMNS, command_here
from lumnisai_integrations._commands.story import EMAIL, NAME, PHONE, trace_lines
from lumnisai_integrations.cli import main
from tests.recording import PICTURE, Film, lines_of, plain, record, svg_of

pytestmark = pytest.mark.processes


def session_at(text: str, key: str) -> str:
    """Return the name of the session whose address in the window the demo has shown."""
    address, session_id = re.findall(r"(http://\S+)/#/sessions/(\S+)", text)[-1]
    with lucidic.Client(key, "local-agent", base_url=f"{address}/lucidic") as client:
        return client.sessions.get(session_id).session_name


@pytest.fixture(scope="module")
def film() -> Film:
    """What `lumnis demo --serve` shows in a terminal, on a machine without an account, until Ctrl-C."""
    names: list[str] = []
    status, film = record(lambda text, key: names.append(session_at(text, key)))
    assert (status, names) == (0, ["A berth for Alcyone"])
    return film


def test_the_model_reads_placeholders_and_the_tool_gets_the_values(film: Film) -> None:
    """The letter, what the model reads of it, the call of the tool, and the answer to the customer."""
    titles = r"\n(?:A customer writes|The model reads|Your tool gets|The customer gets):\n"
    _, letter, read, called, answer = re.split(titles, "\n".join(film.lines))
    assert all(value in letter for value in (NAME, EMAIL, PHONE))
    assert not any(value in read for value in (NAME, EMAIL, PHONE))
    assert "PERSON_0" in read
    assert EMAIL in called
    assert EMAIL in answer.splitlines()[0]


def test_runs_are_watched_and_fold_to_one_line(film: Film) -> None:
    """Steps come and go while a run works; of each run its time and its number of steps stay."""
    gone = [row.text for row in film.shown if row.end is not None]
    assert any("Thinking about the request." in text for text in gone)
    assert not any("Thinking" in line for line in film.lines)
    assert len([line for line in plain(film.lines) if re.fullmatch(r"✓ \d steps, TIME", line)]) == 3


def test_sources_record_and_trace(film: Film) -> None:
    """The answer names lines of files; the customer reads her booking; no event has her data."""
    text = "\n".join(film.lines)
    assert "rules.txt, line 2" in text
    assert "berth C4 for Alcyone" in text
    assert "Without her account, the answer is 403." in text
    assert re.search(r"├─ agent +\d.*\n│  ├─ model .*\n│  ├─ hold_berth", text)
    assert re.search(r"in 0 of [1-9]\d events", text)


def test_the_picture_is_current(film: Film) -> None:
    """If not: `python -m tests.recording`. Its text is that of the command, but for times, ids and addresses."""
    assert plain(lines_of(PICTURE.read_text("utf-8"))) == plain(film.lines)
    assert lines_of(svg_of(film)) == [line for line in film.lines if line]


class Pipe(io.StringIO):
    """A pipe whose reader acts once when a text comes."""

    def __init__(self, awaited: str, act: Callable[[str], None]) -> None:
        super().__init__()
        self._awaited = awaited
        self._act = act

    def write(self, text: str) -> int:
        """Take a text."""
        done = super().write(text)
        if self._awaited in text:
            self._act(self.getvalue())
        return done


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No service of another platform in the environment, and a known key for the embedded one."""
    for name in ("LIMINAL_API_SERVER_URL", "LUCIDIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(SERVED_KEY, "lmn_of_the_demo")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)


def test_with_a_key(key: str, client: Client, alone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs go to the platform of the key; the rest is embedded until Ctrl-C. Pipes get plain, narrow lines."""
    names: list[str] = []

    def look(text: str) -> None:
        names.append(session_at(text, "lmn_of_the_demo"))
        signal.raise_signal(signal.SIGINT)

    pipe = Pipe("Stop with Ctrl-C.", look)
    monkeypatch.setattr(sys, "stdout", pipe)
    assert main(["demo", "--serve"]) == 0
    shown = pipe.getvalue()
    assert "Lumnis: by your keys." in shown
    assert len(client.list_responses().responses) == 4
    assert names == ["A berth for Alcyone"]
    assert ("\x1b" in shown, "lmn_of" in shown) == (False, False)
    assert "PROCESSING: Thinking about the request.\n" in shown
    assert [line for line in shown.splitlines() if len(line) > COLUMNS] == []


def test_ctrl_c_ends_with_one_line(
    alone: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the middle of a run, and on a narrow terminal."""
    monkeypatch.setenv("COLUMNS", "40")
    for name in ("LUMNISAI_API_KEY", "LUMNISAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    pipe = Pipe("Planning", lambda _: signal.raise_signal(signal.SIGINT))
    monkeypatch.setattr(sys, "stdout", pipe)
    assert main(["demo"]) == 130
    assert capsys.readouterr().err == "\nInterrupted.\n"
    assert max(map(len, pipe.getvalue().splitlines())) <= 40


def test_a_reader_that_leaves_ends_the_demo_silently(
    alone: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `head` does, also where a framework calls what writes."""
    for name in ("LUMNISAI_API_KEY", "LUMNISAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def leave(_: str) -> None:
        raise BrokenPipeError

    for awaited in ("The model reads:", "Planning", "hold_berth("):
        monkeypatch.setattr(sys, "stdout", Pipe(awaited, leave))
        assert main(["demo"]) == 0
        assert capsys.readouterr().err == ""


def test_commands_are_shown_as_they_work_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name on the path, from the folder of an environment below this one, by a whole path, or as a module."""
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", "")
    assert command_here() == f"{folder / 'python'} -m lumnisai_integrations.cli"
    (folder / "lumnis").touch(mode=0o755)
    assert command_here() == str(folder / "lumnis")
    monkeypatch.chdir(tmp_path)
    assert command_here() == ".venv/bin/lumnis"
    monkeypatch.setenv("PATH", str(folder))
    assert command_here() == "lumnis"


def event(name: str, parent: str = "", **fields: object) -> EventRecord:
    return EventRecord.model_validate({"client_event_id": name, "client_parent_event_id": parent or None, **fields})


def test_a_trace_counts_steps_and_shows_known_tokens() -> None:
    """What a step has below it stands in its place; long names are cut, times stand in a column."""
    events = [
        event("a", type="function_call", payload={"function_name": "agent" * 20}, duration=1.5),
        event(
            "b",
            "a",
            type="llm_generation",
            payload={"request": {"model": "tide-1"}, "usage": {"input_tokens": 7, "output_tokens": 3}},
            duration=0.25,
        ),
        event("c", "b", type="generic", payload={"details": {"entry_index": 0, "message": "Planning."}}),
        event("f", "b", type="generic", payload={"details": "An event of the program's own."}),
        event("d", "c", type="function_call", payload={"function_name": "search"}, duration=0.1),
        event("e", "unknown", type="function_call", payload={"function_name": "store"}),
    ]
    assert trace_lines(events, 40) == [
        "├─ agentagentagentagentagentagen… 1.50 s",
        "│  └─ model tide-1, 1 step, 7+3 … 0.25 s",
        "│     └─ search                   0.10 s",
        "└─ store",
    ]
