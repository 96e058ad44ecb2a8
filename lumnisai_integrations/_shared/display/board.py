"""The state of several runs as one value, and what of it is shown. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeAlias

from lumnisai_core import ResponseStatus
from lumnisai_integrations._shared.progress import (
    LONGEST_TOOL_CALL,
    TERMINAL,
    ProgressNews,
    one_line,
)

RunKey: TypeAlias = Hashable

#: Steps and tool calls of a run that are kept; earlier ones are counted.
KEPT = 50

#: Runs that are shown; others are counted.
SHOWN_RUNS = 12

#: Characters of a message in a live display.
LONGEST_SHOWN = 300
LONGEST_TITLE = 60

_MARKS = {
    ResponseStatus.SUCCEEDED: "✓",
    ResponseStatus.FAILED: "✗",
    ResponseStatus.CANCELLED: "■",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of a run's progress.

    Attributes:
        index: Its position in the run, or None if that is not known.
        text: State and message, safe to show in one line.
        tool_calls: The last tool calls, safe to show in a line each.
        earlier_calls: How many tool calls there were before those.
    """

    index: int | None
    text: str
    tool_calls: tuple[str, ...] = ()
    earlier_calls: int = 0

    def with_calls(self, calls: tuple[str, ...]) -> Step:
        """Return the step with more tool calls."""
        known = self.tool_calls + tuple(one_line(call, LONGEST_TOOL_CALL) for call in calls)
        left_out = max(0, len(known) - KEPT)
        return replace(self, tool_calls=known[left_out:], earlier_calls=self.earlier_calls + left_out)


@dataclass(frozen=True, slots=True)
class Run:
    """What is known of one run.

    Attributes:
        number: Its number among the runs of a display, from 1.
        title: What it is about.
        status: Its status as the service says; empty if nothing has been heard.
        steps: Its last steps, oldest first.
        earlier_steps: How many steps there were before those.
        reason: Why it failed.
        heard: Whether there was any news.
        over: Whether nothing more is to come.
    """

    number: int
    title: str = ""
    status: str = ""
    steps: tuple[Step, ...] = ()
    earlier_steps: int = 0
    reason: str = ""
    heard: bool = False
    over: bool = False

    @property
    def went_wrong(self) -> bool:
        """Whether it failed or was cancelled."""
        return self.status in (ResponseStatus.FAILED, ResponseStatus.CANCELLED)

    @property
    def mark(self) -> str:
        """A sign of its status."""
        return _MARKS.get(ResponseStatus(self.status), "•") if self.status in TERMINAL else "•"

    @property
    def heading(self) -> str:
        """Number, title, and the status unless it is the good one, in one line."""
        words = [f"[{self.number}]"]
        words += [self.title] if self.title else []
        words += [_ending(self)] if self.went_wrong else []
        return " ".join(words)

    def accept(self, news: ProgressNews) -> Run:
        """Return the run after a piece of news."""
        known = replace(self, heard=True, status=news.status or self.status)
        place = self._place_of(news)
        if place is not None:
            grown = self.steps[place].with_calls(news.tool_calls)
            return replace(known, steps=(*self.steps[:place], grown, *self.steps[place + 1 :]))
        if not news.text and not news.tool_calls:
            return known
        steps = (*self.steps, Step(news.entry_index, one_line(news.text, LONGEST_SHOWN)).with_calls(news.tool_calls))
        left_out = max(0, len(steps) - KEPT)
        return replace(known, steps=steps[left_out:], earlier_steps=self.earlier_steps + left_out)

    def _place_of(self, news: ProgressNews) -> int | None:
        # The newest of that position: a list that was restarted has it twice.
        if news.state != "tool_update" or news.entry_index is None:
            return None
        places = [place for place, step in enumerate(self.steps) if step.index == news.entry_index]
        return places[-1] if places else None


def _ending(run: Run) -> str:
    word = run.status.upper()
    return f"{word}: {run.reason}" if run.reason else word


@dataclass(frozen=True, slots=True)
class RunBoard:
    """Several runs at once. Every change is a new board.

    Attributes:
        runs: The runs by the keys of those who report them, in the order in which they began.
        next_number: Number of the next run.
    """

    runs: Mapping[RunKey, Run] = field(default_factory=lambda: MappingProxyType({}))
    next_number: int = 1

    def begin(self, key: RunKey, title: str = "") -> RunBoard:
        """Return the board with a new run; it takes the place of one that is over. Nothing is shown of it yet."""
        known = self.runs.get(key)
        if known is not None and not known.over:
            return self
        others = {name: run for name, run in self.runs.items() if name != key}
        run = Run(self.next_number, one_line(title, LONGEST_TITLE))
        return RunBoard(MappingProxyType({**others, key: run}), self.next_number + 1)

    def accept(self, key: RunKey, news: ProgressNews) -> RunBoard:
        """Return the board after a piece of news; a run that is not known begins with it."""
        board = self.begin(key)
        return board._with(key, board.runs[key].accept(news))

    def end(self, key: RunKey, status: str = "", reason: str = "") -> RunBoard:
        """Return the board after the end of a run.

        Args:
            key: The run; one that is not known changes nothing.
            status: Its terminal status; empty leaves what the last news said.
            reason: Why it failed.
        """
        run = self.runs.get(key)
        if run is None or run.over:
            return self
        # What the service said of the end is nearer to the truth than how the call ended.
        ending = run.status if run.status in TERMINAL else status or run.status
        return self._with(key, replace(run, over=True, status=ending, reason=one_line(reason, LONGEST_SHOWN)))

    def cleared(self) -> RunBoard:
        """Return a board without runs that numbers on."""
        return RunBoard(next_number=self.next_number)

    def _with(self, key: RunKey, run: Run) -> RunBoard:
        return replace(self, runs=MappingProxyType({**self.runs, key: run}))

    @property
    def active(self) -> list[RunKey]:
        """The runs that are not over."""
        return [key for key, run in self.runs.items() if not run.over]

    @property
    def visible(self) -> list[Run]:
        """The runs there is something to show of."""
        return [run for run in self.runs.values() if run.heard or run.went_wrong]

    def label(self, key: RunKey) -> str:
        """Return what begins a line about a run: its number if there are others, else nothing."""
        return f"[{self.runs[key].number}] " if key in self.runs and len(self.runs) > 1 else ""


@dataclass(frozen=True, slots=True)
class ShownRun:
    """A run as a live display draws it: a heading, a line about what is left out, the last steps."""

    run: Run
    earlier: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class ShownBoard:
    """What a live display draws: some of the runs, and a line about the others."""

    runs: tuple[ShownRun, ...]
    others: str


def shown_board(board: RunBoard) -> ShownBoard:
    """Choose what of a board is drawn, so that it stays on one screen: the fewer runs, the more steps of each."""
    visible = board.visible
    # Those that work come before those that are over, the latest of them first; then as they began.
    ranked = sorted(visible, key=lambda run: (run.over, -run.number))[:SHOWN_RUNS]
    chosen = sorted(ranked, key=lambda run: run.number)
    most = 8 if len(chosen) == 1 else 3 if len(chosen) <= 4 else 1
    others = len(visible) - len(chosen)
    return ShownBoard(
        runs=tuple(_shown_run(run, most) for run in chosen),
        others=f"… and {others} more {'run' if others == 1 else 'runs'}" if others else "",
    )


def _shown_run(run: Run, most: int) -> ShownRun:
    steps = run.steps[-most:]
    earlier = run.earlier_steps + len(run.steps) - len(steps)
    text = f"… {earlier} earlier {'step' if earlier == 1 else 'steps'}" if earlier else ""
    return ShownRun(run, text, tuple(_shown_step(step, most) for step in steps))


def _shown_step(step: Step, most: int) -> Step:
    calls = step.tool_calls[-most:]
    return replace(step, tool_calls=calls, earlier_calls=step.earlier_calls + len(step.tool_calls) - len(calls))


def call_lines(step: Step) -> list[str]:
    """Write the tool calls of a step: how many are left out, then one line each."""
    left_out = step.earlier_calls
    return [f"… {left_out} earlier {'call' if left_out == 1 else 'calls'}"] * bool(left_out) + list(step.tool_calls)


def board_lines(board: RunBoard) -> list[str]:
    """Write a board as plain lines, for where nothing better can be drawn."""
    shown = shown_board(board)
    lines: list[str] = []
    for item in shown.runs:
        lines.append(f"{item.run.mark} {item.run.heading}")
        lines += [f"  {item.earlier}"] * bool(item.earlier)
        for step in item.steps:
            lines += [f"  {step.text}"] * bool(step.text)
            lines += [f"    {call}" for call in call_lines(step)]
    return lines + [shown.others] * bool(shown.others)


def ending_lines(run: Run) -> list[str]:
    """Write the end of a run as lines: ``FAILED: reason`` or ``CANCELLED``; nothing for a good one."""
    return [_ending(run)] if run.over and run.went_wrong else []
