"""The progress of one run: reported by an engine from any thread, saved in the service's own."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from lumnisai_core.local.engines.base import Feedback, ToolCall
from lumnisai_core.local.web.ids import new_id, now
from lumnisai_core.local.web.json_text import Json, dumps

#: Seconds between two times that an answer which grows is shown.
_TEXT_PAUSE = 0.1
#: Seconds until changes are saved that need not outlive the service: most runs have ended before, with all of it saved.
_SAVE_PAUSE = 0.1


@dataclass(slots=True)
class Changes:
    """What has changed in a report: positions and texts of entries, whether it began anew, the title if it is new."""

    positions: set[int] = field(default_factory=set)
    entries: Mapping[int, str] = field(default_factory=dict)
    is_reset: bool = False
    title: str | None = None


@dataclass(eq=False, slots=True)
class LiveReport:
    """A run's progress list and title.

    All functions are called in the event loop's thread. `show` is called once for the changes of one moment, and a few
    times a second while nothing but the text of an answer grows, which its argument says. `save` is called then or a
    little later with what has changed since it was called last: new and changed entries as JSON by their positions,
    whether earlier ones are gone, and the title if it is new. `consume` gets the ids of feedback that the engine has
    taken. With `ids`, entries and tool calls have permanent ones.
    """

    _loop: asyncio.AbstractEventLoop
    _show: Callable[[bool], None]
    _save: Callable[[Changes], None]
    _consume: Callable[[list[str]], None]
    _feedback: list[Feedback]
    _ids: bool
    _is_saved_at_once: bool = True
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _entries: list[dict[str, Any]] = field(default_factory=list)
    _texts: list[str | None] = field(default_factory=list)  # None for an entry that has changed since
    _whole: Json[Any] | None = None
    _title: str | None = None
    _unsaved: Changes = field(default_factory=Changes)
    _is_growth: bool = True
    _is_due: bool = False
    _is_planned: bool = False
    _is_saving: bool = False
    _shown_at: float = 0.0
    _closed: bool = False

    def columns(self) -> dict[str, Any]:
        """Return what the run's row is to show: the whole progress list as JSON, and the title if there is one."""
        with self._lock:
            if self._whole is None:
                self._whole = Json(f"[{','.join(map(self._written, range(len(self._texts))))}]")
            title = {} if self._title is None else {"response_title": self._title}
            return {"progress": self._whole, **title}

    def progress(
        self,
        message: str,
        *,
        state: str = "processing",
        tool_calls: list[ToolCall] | None = None,
        output_text: str | None = None,
    ) -> int:
        """Append a progress entry and return its index."""
        entry = {
            **({"id": new_id()} if self._ids else {}),
            "ts": now(),
            "state": state,
            "message": message,
            "tool_calls": None if tool_calls is None else self._with_ids(_plain(tool_calls)),
            "output_text": output_text,
        }
        dumps(entry)
        with self._lock:
            index = len(self._entries)
            self._entries.append(entry)
            self._texts.append(None)
            self._changed(index)
        return index

    def add_tool_calls(self, index: int, *calls: ToolCall) -> None:
        """Add tool calls to an existing entry, which grows in place."""
        dumps(plain := self._with_ids(_plain(list(calls))))
        with self._lock:
            entry = self._entries[index]
            entry["tool_calls"] = [*(entry["tool_calls"] or ()), *plain]
            self._changed(index)

    def replace(
        self,
        index: int,
        *,
        message: str | None = None,
        state: str | None = None,
        tool_calls: list[ToolCall] | None = None,
        output_text: str | None = None,
    ) -> None:
        """Change parts of an existing entry; None leaves a part as it is."""
        calls = None if tool_calls is None else _plain(tool_calls)
        values: dict[str, Any] = {"message": message, "state": state, "tool_calls": calls, "output_text": output_text}
        dumps(values)
        with self._lock:
            entry = self._entries[index]
            if calls is not None:
                values["tool_calls"] = self._with_ids(calls, entry["tool_calls"] or ())
            new = {name: value for name, value in values.items() if value is not None}
            is_growth = new.keys() == {"output_text"} and bool(entry["output_text"])
            entry.update(new)
            self._changed(index, is_growth=is_growth)

    def reset(self) -> None:
        """Remove all entries, as a run that starts over does."""
        with self._lock:
            self._entries.clear()
            self._texts.clear()
            self._unsaved.positions.clear()
            self._unsaved.is_reset = True
            self._changed()

    def title(self, text: str) -> None:
        """Set the short title of the run."""
        dumps(text)
        with self._lock:
            self._title = self._unsaved.title = text
            self._changed()

    def give(self, feedback: Feedback) -> None:
        """Keep feedback for the engine to take."""
        with self._lock:
            self._feedback.append(feedback)

    def feedback(self) -> list[Feedback]:
        """Return the feedback that came in since the last call, oldest first; it counts as consumed."""
        with self._lock:
            taken, self._feedback = self._feedback, []
            closed = self._closed
        if taken and not closed:
            self._loop.call_soon_threadsafe(self._consume, [item.feedback_id for item in taken])
        return taken

    def flush(self) -> None:
        """Save what has changed; it stays to be saved if that fails."""
        with self._lock:
            self._is_saving = False
            if self._closed or self._unsaved == Changes():
                return
            unsaved, self._unsaved = self._unsaved, Changes()
            unsaved.entries = {position: self._written(position) for position in sorted(unsaved.positions)}
        try:
            self._save(unsaved)
        except BaseException:
            with self._lock:
                self._unsaved.positions |= unsaved.positions if not self._unsaved.is_reset else set()
                self._unsaved.is_reset |= unsaved.is_reset
                self._unsaved.title = self._unsaved.title or unsaved.title
            raise

    def close(self) -> str | None:
        """Ignore all further reports; return the title."""
        with self._lock:
            self._closed = True
            return self._title

    def _with_ids(self, calls: list[dict[str, Any]], earlier: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
        """Give calls their ids: their own, that of the `earlier` call of this name in the same place, or a new one."""
        if not self._ids:
            return calls
        same = [old if old.get("name") == new.get("name") else {} for new, old in zip(calls, earlier, strict=False)]
        none: Mapping[str, Any] = {}
        pairs = zip_longest(calls, same, fillvalue=none)
        return [{**new, "id": new.get("id") or old.get("id") or new_id()} for new, old in pairs]

    def _changed(self, index: int | None = None, *, is_growth: bool = False) -> None:
        """Note a change, of an entry if there is an index, to be shown soon; the lock is held."""
        if index is not None:
            self._unsaved.positions.add(index)
            self._texts[index] = None
        self._whole = None
        self._is_growth &= is_growth
        if self._closed or self._is_due or (is_growth and self._is_planned):
            return
        if is_growth:
            self._is_planned = True
            self._soon(self._show_later)
        else:
            self._is_due = True
            self._soon(self._show_now)

    def _soon(self, callback: Callable[[], None]) -> None:
        """Call in the loop's thread; in this thread itself the loop needs no wake-up, which is three system calls."""
        try:
            is_here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            is_here = False
        (self._loop.call_soon if is_here else self._loop.call_soon_threadsafe)(callback)

    def _show_later(self) -> None:
        self._loop.call_at(self._shown_at + _TEXT_PAUSE, self._show_now)

    def _show_now(self) -> None:
        with self._lock:
            self._is_due = self._is_planned = False
            if self._closed:
                return
            is_growth, self._is_growth = self._is_growth, True
            is_saving, self._is_saving = self._is_saving, True
        self._shown_at = self._loop.time()
        self._show(is_growth)
        if self._is_saved_at_once:
            self.flush()
        elif not is_saving:
            self._loop.call_later(_SAVE_PAUSE, self.flush)

    def _written(self, index: int) -> str:
        """Return an entry as JSON; the lock is held."""
        text = self._texts[index]
        if text is None:
            text = self._texts[index] = dumps(self._entries[index])
        return text


def _plain(calls: list[ToolCall]) -> list[dict[str, Any]]:
    return [copy.deepcopy(dict(call)) for call in calls]
