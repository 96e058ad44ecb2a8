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
from lumnisai_core.local.web.json_text import dumps


@dataclass(eq=False, slots=True)
class LiveReport:
    """A run's progress list and title.

    `save` is called with the whole list as JSON and the title after every change, `consume` with the ids of feedback
    that the engine has taken, both in the event loop's thread. With `ids`, entries and tool calls have permanent ones.
    """

    _loop: asyncio.AbstractEventLoop
    _save: Callable[[str, str | None], None]
    _consume: Callable[[list[str]], None]
    _feedback: list[Feedback]
    _ids: bool
    _thread: int = field(default_factory=threading.get_ident)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _entries: list[dict[str, Any]] = field(default_factory=list)
    _title: str | None = None
    _closed: bool = False

    def progress(self, message: str, *, state: str = "processing", tool_calls: list[ToolCall] | None = None) -> int:
        """Append a progress entry and return its index."""
        entry = {
            **({"id": new_id()} if self._ids else {}),
            "ts": now(),
            "state": state,
            "message": message,
            "tool_calls": None if tool_calls is None else self._with_ids(_plain(tool_calls)),
            "output_text": None,
        }
        dumps(entry)
        with self._lock:
            self._entries.append(entry)
            index = len(self._entries) - 1
        self._changed()
        return index

    def add_tool_calls(self, index: int, *calls: ToolCall) -> None:
        """Add tool calls to an existing entry, which grows in place."""
        dumps(plain := self._with_ids(_plain(list(calls))))
        with self._lock:
            entry = self._entries[index]
            entry["tool_calls"] = [*(entry["tool_calls"] or ()), *plain]
        self._changed()

    def replace(
        self,
        index: int,
        *,
        message: str | None = None,
        state: str | None = None,
        tool_calls: list[ToolCall] | None = None,
    ) -> None:
        """Change parts of an existing entry; None leaves a part as it is."""
        calls = None if tool_calls is None else _plain(tool_calls)
        values: dict[str, Any] = {"message": message, "state": state, "tool_calls": calls}
        dumps(values)
        with self._lock:
            entry = self._entries[index]
            if calls is not None:
                values["tool_calls"] = self._with_ids(calls, entry["tool_calls"] or ())
            entry.update({name: value for name, value in values.items() if value is not None})
        self._changed()

    def reset(self) -> None:
        """Remove all entries, as a run that starts over does."""
        with self._lock:
            self._entries.clear()
        self._changed()

    def title(self, text: str) -> None:
        """Set the short title of the run."""
        dumps(text)
        with self._lock:
            self._title = text
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
            self._in_loop(lambda: self._consume([item.feedback_id for item in taken]))
        return taken

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

    def _changed(self) -> None:
        if not self._closed:
            self._in_loop(self._flush)

    def _in_loop(self, act: Callable[[], None]) -> None:
        if threading.get_ident() == self._thread:
            act()
        else:
            self._loop.call_soon_threadsafe(act)

    def _flush(self) -> None:
        with self._lock:
            if self._closed:
                return
            progress, title = dumps(self._entries), self._title
        self._save(progress, title)


def _plain(calls: list[ToolCall]) -> list[dict[str, Any]]:
    return [copy.deepcopy(dict(call)) for call in calls]
