"""Run board: the state of several runs as one value, and the lines that a live display draws of it. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from lumnisai_core import ResponseStatus, RunUpdate
from lumnisai_core.display import one_line

RunKey: TypeAlias = Hashable

#: Steps of a run that are kept; earlier ones are counted.
KEPT = 50

#: Runs that are drawn; others are counted.
SHOWN_RUNS = 12

#: Steps of a run that are drawn if it is alone, and within one that is folded.
MOST_STEPS = 8

#: Lines of an answer that is being written that are drawn.
SHOWN_LINES = 4

#: Characters of a line and of a title in a live display.
LONGEST_SHOWN = 300
LONGEST_TITLE = 60

#: Mark and style of a final status.
_MARKS: Mapping[str, tuple[str, str]] = {
    ResponseStatus.SUCCEEDED: ("✓", "green"),
    ResponseStatus.FAILED: ("✗", "red"),
    ResponseStatus.CANCELLED: ("■", "yellow"),
}


@dataclass(frozen=True, slots=True)
class Run:
    """The progress of one run; its number is that among the runs of a display, from 1."""

    number: int
    title: str = ""
    status: str = ""
    steps: tuple[RunUpdate, ...] = ()  # the last ones, oldest first, each with all of its tool calls
    earlier_steps: int = 0  # that are not kept any more
    reason: str = ""
    last: RunUpdate | None = None
    printed: bool = False  # by the client itself
    is_over: bool = False  # no further update will follow
    began: float = 0.0  # in seconds of any clock
    ended: float = 0.0

    @property
    def ending(self) -> str:
        """``FAILED: reason`` or ``CANCELLED``; empty for a run that did not go wrong."""
        if self.status not in (ResponseStatus.FAILED, ResponseStatus.CANCELLED):
            return ""
        return f"{self.status.upper()}: {self.reason}" if self.reason else self.status.upper()

    def accept(self, update: RunUpdate) -> Run:
        """Return the run after an update."""
        run = replace(self, last=update, status=str(update.status) or self.status)
        # An entry that grew is the newest with that position: a list that was restarted has it twice.
        for place in reversed(range(len(self.steps))):
            step = self.steps[place]
            if update.is_growth and step.entry_index == update.entry_index is not None:
                calls, text = (*step.tool_calls, *update.tool_calls), (step.output_text or "") + update.delta
                grown = replace(step, tool_calls=calls, output_text=text or None)
                return replace(run, steps=(*self.steps[:place], grown, *self.steps[place + 1 :]))
        if not update.as_lines():
            return run
        steps = (*self.steps, replace(update, output_text=update.delta or None))
        return replace(run, steps=steps[-KEPT:], earlier_steps=self.earlier_steps + max(0, len(steps) - KEPT))


@dataclass(frozen=True, slots=True)
class RunBoard:
    """Several runs at once, in the order in which they began. Every change returns a new board."""

    runs: Mapping[RunKey, Run] = field(default_factory=dict)
    next_number: int = 1

    def begin(self, key: RunKey, title: str = "", *, printed: bool = False, now: float = 0.0) -> RunBoard:
        """Return the board with a new run, which replaces one that is over. It is drawn from its first update on."""
        if key in self.runs and not self.runs[key].is_over:
            return self
        others = {name: run for name, run in self.runs.items() if name != key}
        new = Run(self.next_number, one_line(title, LONGEST_TITLE), printed=printed, began=now)
        return RunBoard({**others, key: new}, self.next_number + 1)

    def accept(self, key: RunKey, update: RunUpdate, *, now: float = 0.0) -> RunBoard:
        """Return the board after an update; an unknown run begins with it."""
        board = self.begin(key, now=now)
        return replace(board, runs={**board.runs, key: board.runs[key].accept(update)})

    def end(self, key: RunKey, status: str = "", reason: str = "", *, now: float = 0.0) -> RunBoard:
        """Return the board after the end of a run; an empty status keeps that of the last update."""
        run = self.runs.get(key)
        if run is None or run.is_over:
            return self
        # A final status from the service is more reliable than how the call ended.
        final = run.status if run.status in _MARKS else status or run.status
        ended = replace(run, is_over=True, status=final, reason=one_line(reason, LONGEST_SHOWN), ended=now)
        return replace(self, runs={**self.runs, key: ended})

    def cleared(self) -> RunBoard:
        """Return an empty board that continues the numbering."""
        return RunBoard(next_number=self.next_number)

    @property
    def active(self) -> dict[RunKey, Run]:
        """The runs that are not over."""
        return {key: run for key, run in self.runs.items() if not run.is_over}

    def label(self, key: RunKey) -> str:
        """Return the prefix of a line about a run: its number if there are several runs, else nothing."""
        return f"[{self.runs[key].number}] " if key in self.runs and len(self.runs) > 1 else ""


class BoardLine(NamedTuple):
    """One line of a drawn board: its depth (0 a run, 1 a step, 2 a tool call), its text and its style for rich."""

    depth: int
    text: str
    style: str = ""


class DrawnRun(NamedTuple):
    """One run of a drawn board: its first line, the lines of its steps, and whether the first line may stand alone."""

    heading: BoardLine
    steps: list[BoardLine]
    is_folded: bool


def drawn_runs(
    board: RunBoard, working: str = "•", now: float | None = None, *, folding: bool
) -> tuple[list[DrawnRun], int]:
    """Choose what of a board is drawn, so that it stays on one screen: the fewer runs, the more steps of each.

    Args:
        board: The board.
        working: Mark of a run that works.
        now: The time, for a picture that is drawn all the time: with ``folding``, it shows how long runs have worked.
        folding: Whether runs that have reached their end are folded to one line with the number of their steps and the
            time that they took; a run that is alone then has no number.

    Returns:
        The runs in the order in which they began, and the number of those that are left out.
    """
    visible = [run for run in board.runs.values() if run.last or run.ending]
    # Those that work come before those that are over, the latest of them first; then as they began.
    ranked = sorted(visible, key=lambda run: (run.is_over, -run.number))[:SHOWN_RUNS]
    chosen = sorted(ranked, key=lambda run: run.number)
    most = MOST_STEPS if len(chosen) == 1 else 3 if len(chosen) <= 4 else 1
    has_number = not folding or len(visible) > 1
    drawn = []
    for run in chosen:
        heading = _heading(run, working, now, has_number=has_number, folding=folding)
        is_folded = folding and run.is_over and run.status in _MARKS
        drawn.append(DrawnRun(heading, list(_lines_of_steps(run, MOST_STEPS if is_folded else most)), is_folded))
    return drawn, len(visible) - len(chosen)


def drawn_lines(
    board: RunBoard, working: str = "•", now: float | None = None, *, folding: bool = False
) -> list[BoardLine]:
    """Return the lines of a board; see :func:`drawn_runs`."""
    runs, others = drawn_runs(board, working, now, folding=folding)
    lines = [line for run in runs for line in (run.heading, *(() if run.is_folded else run.steps))]
    return [*lines, *counted_line("… and {} more run", others, depth=0)]


def _heading(run: Run, working: str, now: float | None, *, has_number: bool, folding: bool) -> BoardLine:
    mark, style = _MARKS.get(run.status, ("•", "")) if run.is_over else (working, "bold")
    number = f"[{run.number}]" if has_number else ""
    figures = ""
    if folding and run.is_over:
        steps = run.earlier_steps + len(run.steps)
        figures = f"{steps} step{'s' * (steps != 1)}, {_duration(run.ended - run.began)}"
    elif folding:
        figures = "working" if now is None else _duration(now - run.began)
    return BoardLine(0, " ".join(filter(None, (mark, number, run.title, figures, run.ending))), style)


def _lines_of_steps(run: Run, most: int) -> Iterator[BoardLine]:
    shown = run.steps[-most:]
    yield from counted_line("… {} earlier step", run.earlier_steps + len(run.steps) - len(shown), depth=1)
    for step in shown:
        hidden = max(0, len(step.tool_calls) - most)
        lines = replace(step, tool_calls=step.tool_calls[hidden:]).as_lines()
        message = [line for line in lines if not line.startswith("  ")]
        yield from (BoardLine(1, one_line(text, LONGEST_SHOWN)) for text in message)
        yield from counted_line("… {} earlier call", hidden, depth=2)
        yield from (BoardLine(2, text.strip(), "cyan") for text in lines[len(message) :])
        if step.output_text and not run.is_over:  # whoever asked shows the whole answer
            yield from (BoardLine(2, line) for line in _end_of(step.output_text))


def _end_of(text: str) -> list[str]:
    """Return the last lines of an answer that is being written."""
    lines = [line for line in text[-SHOWN_LINES * LONGEST_SHOWN :].splitlines() if line.strip()]
    return [one_line(line[-LONGEST_SHOWN:], LONGEST_SHOWN) for line in lines[-SHOWN_LINES:]]


def _duration(seconds: float) -> str:
    seconds = max(0.0, seconds)
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60} s"


def counted_line(text: str, number: int, depth: int) -> list[BoardLine]:
    """Return a line that counts what is left out, or none if that is nothing."""
    return [BoardLine(depth, text.format(number) + "s" * (number > 1), "dim")] if number else []


def board_lines(board: RunBoard, *, folding: bool = False) -> list[str]:
    """Write a board as plain lines."""
    return [indented(line) for line in drawn_lines(board, folding=folding)]


def indented(line: BoardLine) -> str:
    """Write a line as plain text."""
    return f"{'  ' * line.depth}{line.text}"
