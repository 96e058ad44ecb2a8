"""News of a run as text: what a framework shows as reasoning, and the lines that people read. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from lumnisai_core import ResponseStatus, RunUpdate, ToolCall

#: Characters of a line after which messages and tool calls are cut off.
LONGEST_MESSAGE = 1000
LONGEST_TOOL_CALL = 160

#: A run in one of these states is over.
TERMINAL = frozenset({str(ResponseStatus.SUCCEEDED), str(ResponseStatus.FAILED), str(ResponseStatus.CANCELLED)})

# What terminals act upon: sequences that begin with ESC [ or ESC ], and ESC with one more character.
_TERMINAL_SEQUENCE = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?")
# Marks that change the direction of the text around them.
_DIRECTION_MARKS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def reasoning_text(update: RunUpdate) -> str:
    """Return what an update adds to the visible reasoning: its message, or the new tool calls; a line each.

    Returns:
        Text that ends in a line break, or an empty text if there is nothing to show.
    """
    lines = [update.message] if _says_something(update.state, update.message) else []
    lines += [str(call) for call in update.tool_calls]
    return "".join(f"{line}\n" for line in lines)


def _says_something(state: str, message: str) -> bool:
    # The message of an entry that gained tool calls was shown when the entry came.
    return bool(message) and state != "tool_update"


def one_line(text: object, longest: int = LONGEST_MESSAGE) -> str:
    """Return a text that is safe to show in one line.

    Sequences that steer terminals are taken out, white space becomes single spaces, other control characters and those
    that change the direction of writing become a replacement character, and a long text ends in ``…``.

    Args:
        text: What to show; anything but a text is written as ``str`` does, None as nothing.
        longest: Characters of the result at most.
    """
    # Far more than is shown need not be looked at.
    given = "" if text is None else str(text)[: 10 * longest]
    words = " ".join(_TERMINAL_SEQUENCE.sub("", given).split())
    shown = words if words.isascii() and words.isprintable() else "".join(map(_visible, words))
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def _visible(character: str) -> str:
    hidden = unicodedata.category(character) in ("Cc", "Cs") or character in _DIRECTION_MARKS
    return "\N{REPLACEMENT CHARACTER}" if hidden else character


@dataclass(frozen=True, slots=True)
class ProgressNews:
    """One piece of news of a run, as displays take it in.

    Attributes:
        status: Status of the run.
        state: State of the progress entry, ``tool_update``, or the status for news that is not about an entry.
        message: Text of the entry.
        tool_calls: The new tool calls as text.
        entry_index: Position of the entry, or None for news that is not about an entry.
        response_id: Id of the run on the service.
    """

    status: str = ""
    state: str = ""
    message: str = ""
    tool_calls: tuple[str, ...] = ()
    entry_index: int | None = None
    response_id: str | None = None

    @classmethod
    def of_update(cls, update: RunUpdate) -> Self:
        """Take what the core's listeners receive."""
        return cls(
            status=str(update.status),
            state=update.state,
            message=update.message,
            tool_calls=tuple(map(str, update.tool_calls)),
            entry_index=update.entry_index,
            response_id=update.response_id,
        )

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> Self:
        """Take the data of a ``lumnis_progress`` event; what is missing or odd in them is left out."""
        calls = data.get("tool_calls")
        index = data.get("entry_index")
        return cls(
            status=str(data.get("status") or ""),
            state=str(data.get("state") or ""),
            message=str(data.get("message") or ""),
            tool_calls=tuple(_call_text(call) for call in calls) if isinstance(calls, list | tuple) else (),
            entry_index=index if isinstance(index, int) else None,
            response_id=str(data["response_id"]) if data.get("response_id") else None,
        )

    @property
    def is_last(self) -> bool:
        """Whether the run is over."""
        return self.status in TERMINAL

    @property
    def text(self) -> str:
        """``STATE: message``, or an empty text if the news is something else."""
        if not _says_something(self.state, self.message):
            return ""
        state = one_line(self.state.upper(), LONGEST_TOOL_CALL)
        return f"{state}: {one_line(self.message)}" if state else one_line(self.message)


def _call_text(call: object) -> str:
    if not isinstance(call, Mapping):
        return str(call)
    arguments = call.get("args")
    return str(ToolCall(name=str(call.get("name") or ""), args=arguments if isinstance(arguments, dict) else {}))


def progress_lines(news: ProgressNews) -> list[str]:
    """Write one piece of news as lines: ``STATE: message``, then an indented line for each tool call."""
    return [news.text] * bool(news.text) + tool_lines(news.tool_calls)


def tool_lines(calls: Iterable[str]) -> list[str]:
    """Write tool calls as indented lines."""
    return [f"  {one_line(call, LONGEST_TOOL_CALL)}" for call in calls]
