"""Displays of progress: lines, the terminal, notebooks, the log, functions."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from lumnisai_core import Client, RunUpdate, ToolCall
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations._shared.display import ProgressDisplay


def update(message: str = "Reading.", index: int | None = 0, *calls: str, **others: Any) -> RunUpdate:
    fields = {"status": "in_progress", "state": "planning"} | others
    tools = tuple(ToolCall(name=call) for call in calls)
    return RunUpdate("r", "t", message=message, entry_index=index, tool_calls=tools, **fields)


class Terminal(io.StringIO):
    """Standard output that is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def in_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminal]:
    """Put a terminal in place of standard output; to be called by the test itself, as pytest replaces that, too."""

    def enter() -> Terminal:
        monkeypatch.setenv("TERM", "xterm-256color")
        made = Terminal()
        monkeypatch.setattr(sys, "stdout", made)
        return made

    return enter


class Front:
    """The front end of a notebook: what is displayed, and what it is replaced with."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []
        self.updated: list[dict[str, str]] = []

    def display(self, data: dict[str, str], *, raw: bool, display_id: bool) -> Any:
        assert raw
        assert display_id
        self.shown.append(data)
        return SimpleNamespace(update=lambda data, **_: self.updated.append(data))


@pytest.fixture
def front(monkeypatch: pytest.MonkeyPatch) -> Front:
    """A notebook's kernel around this process."""
    made = Front()
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=made.display))
    return made


@pytest.mark.parametrize("display", ["html", "", None, 5])
def test_an_unknown_display_is_refused(display: Any) -> None:
    """The message lists those that exist."""
    with pytest.raises(ValidationError, match="'auto', 'rich', 'jupyter'"):
        ProgressDisplay(display)


@pytest.mark.parametrize(
    ("display", "module", "hint"),
    [("rich", "rich", r"lumnisai-integrations\[cli\]"), ("jupyter", "IPython", "pip install ipython")],
)
def test_a_missing_package_is_named(
    display: Any, module: str, hint: str, monkeypatch: pytest.MonkeyPatch, in_terminal: Callable[[], Terminal]
) -> None:
    """Where the display was chosen by name; ``auto`` does without it."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=hint):
        ProgressDisplay(display)
    if module == "rich":
        terminal, shown = in_terminal(), ProgressDisplay()
        shown.accept("a", update())
        assert terminal.getvalue() == "PLANNING: Reading.\n"
        shown.close()


@pytest.mark.processes
def test_optional_packages_are_not_imported() -> None:
    """Neither by importing a display nor by writing lines; httpx loads a part of rich for its own use."""
    program = (
        "import sys\nfrom lumnisai_integrations._shared.display import ProgressDisplay\n"
        "from lumnisai_core import RunUpdate\n"
        "ProgressDisplay()(RunUpdate('r', 't', 'in_progress', 'planning', 'm'))\n"
        "assert not {'rich.live', 'IPython'} & sys.modules.keys(), 'imported'"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "PLANNING: m\n", "")


def test_runs_at_once_have_numbers() -> None:
    """Lines are labelled from the second run on until all are over, so that the last ones can be distinguished, too."""
    lines: list[str] = []
    display = ProgressDisplay(lines.append)
    display.accept("a", update("1"))
    display.accept("b", update("2", 0, "call"))
    display.end("a", "failed", "broken")
    display.accept("b", update("3", 1))
    display.end("b", "succeeded")
    display.end("unknown", "failed")
    assert lines == ["PLANNING: 1", "[2] PLANNING: 2", "[2]   call()", "[1] FAILED: broken", "[2] PLANNING: 3"]
    display.accept("c", update("4"))
    assert lines[5:] == ["PLANNING: 4"]


def test_lines_go_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """With level INFO, whatever they contain."""
    caplog.set_level(logging.INFO, "lumnisai_integrations.progress")
    ProgressDisplay("logging").accept("a", update("100 %s"))
    assert caplog.record_tuples == [("lumnisai_integrations.progress", logging.INFO, "PLANNING: 100 %s")]


def test_lines_fit_the_encoding_of_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it cannot write becomes an escape."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
    ProgressDisplay().accept("a", update("潮"))
    assert written.getvalue() == b"PLANNING: \\u6f6e\n"


def test_a_tree_lives_in_the_terminal_while_runs_go_on(in_terminal: Callable[[], Terminal]) -> None:
    """What is printed meanwhile appears too; a line for each run stays, the cursor comes back, no thread is left."""
    terminal, before = in_terminal(), set(threading.enumerate())
    display = ProgressDisplay()
    display.begin("a", "Tides?")
    assert terminal.getvalue() == ""
    display.accept("a", update("Reading.", 0, "search"))
    assert sys.stdout is not terminal
    print("printed meanwhile")  # noqa: T201
    display.accept("b", update("Second."))
    display.end("b", "failed", "broken")
    display.end("a", "succeeded")
    assert sys.stdout is terminal
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    text = terminal.getvalue()
    assert "printed meanwhile" in text
    assert "✓ [1] Tides? 1 step, " in text
    assert "FAILED: broken" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "✓" in text[text.rindex("printed meanwhile") :]


def test_a_second_tree_becomes_lines(in_terminal: Callable[[], Terminal]) -> None:
    """Two live displays would overwrite each other; when the first is over, the next one lives."""
    terminal = in_terminal()
    first, second = ProgressDisplay("rich"), ProgressDisplay("rich")
    first.accept("a", update("First."))
    second.accept("a", update("Second."))
    second.close()
    assert sys.stdout is not terminal
    first.close()
    assert "PLANNING: Second." in terminal.getvalue()
    second.accept("b", update("Third."))
    assert sys.stdout is not terminal
    second.close()
    second.close()
    assert sys.stdout is terminal


def test_a_dumb_terminal_gets_lines(in_terminal: Callable[[], Terminal], monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot move the cursor."""
    terminal = in_terminal()
    monkeypatch.setenv("TERM", "dumb")
    ProgressDisplay().accept("a", update())
    assert terminal.getvalue() == "PLANNING: Reading.\n"


def test_a_tree_by_name_appears_in_a_pipe_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is overwritten there."""
    display = ProgressDisplay("rich")
    display.accept("a", update())
    display.accept("a", update("Writing.", 1))
    assert capsys.readouterr().out == ""
    display.end("a", "succeeded")
    assert capsys.readouterr().out.count("PLANNING: Reading.") == 1


def test_a_notebook_shows_one_live_picture(front: Front) -> None:
    """It is drawn once and then replaced; plain text is there for front ends without HTML."""
    display = ProgressDisplay()
    display.accept("a", update("<b>"))
    display.accept("a", update("Writing.", 1))
    display.accept("a", update("", None, state="in_progress"))
    display.end("a", "succeeded")
    assert len(front.shown) == 1
    assert "&lt;b&gt;" in front.shown[0]["text/html"]
    assert "PLANNING: <b>" in front.shown[0]["text/plain"]
    assert len(front.updated) == 2
    assert "✓" in front.updated[-1]["text/html"]
    display.accept("b", update())
    assert len(front.shown) == 2


def test_without_a_front_end_a_notebook_display_writes_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """IPython alone is not enough."""
    ProgressDisplay("jupyter").accept("a", update())
    assert capsys.readouterr().out == "PLANNING: Reading.\n"


def test_a_failing_function_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """It is called with later lines all the same."""
    lines: list[str] = []

    def failing(line: str) -> None:
        lines.append(line)
        raise RuntimeError("closed")

    display = ProgressDisplay(failing)
    for index in range(3):
        display.accept("a", update(str(index), index))
    assert len(lines) == 3
    assert caplog.text.count("Progress cannot be shown") == 1


def test_lines_take_over_from_a_picture_that_fails(
    front: Front, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is one warning and no second try."""
    failures = [OSError("the front end is gone")]

    def broken_at_first(*_: object, **__: object) -> object:
        if failures:
            raise failures.pop()
        return SimpleNamespace(update=print)

    monkeypatch.setattr(sys.modules["IPython.display"], "display", broken_at_first)
    display = ProgressDisplay()
    display.accept("a", update())
    display.accept("a", update("Writing.", 1))
    display.end("a", "succeeded")
    display.accept("b", update("Again."))
    assert capsys.readouterr().out == "PLANNING: Reading.\nPLANNING: Writing.\nPLANNING: Again.\n"
    assert caplog.text.count("OSError: the front end is gone") == 1


def test_an_interrupt_is_shown_as_the_end_of_the_runs_it_left() -> None:
    """A run is cancelled when Ctrl-C leaves the block of its display."""
    lines: list[str] = []
    with pytest.raises(KeyboardInterrupt), ProgressDisplay(lines.append) as display:
        display(update())
        raise KeyboardInterrupt
    assert lines == ["PLANNING: Reading.", "CANCELLED"]


def test_the_core_reports_to_a_display(local: LocalLumnis) -> None:
    """It is a listener for on_progress and needs no framework."""
    lines: list[str] = []
    with (
        ProgressDisplay(lines.append) as display,
        Client(local.api_key, base_url=local.base_url, user_id="user-123") as client,
    ):
        client.invoke("Neap tides are small. Which tides are small?", on_progress=display)
        assert display.active == {}
    assert lines
    assert all(": " in line for line in lines if not line.startswith(" "))
