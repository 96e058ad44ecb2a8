"""Streamed answers: newline-delimited JSON and server-sent events, from bytes to events, piece by piece. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

#: Bytes that one line or event may have.
LONGEST = 8 << 20

_BOM = b"\xef\xbb\xbf"


class BrokenStream(Exception):
    """The bytes do not make up whole events. The text says where, and quotes nothing."""


class Parser(Protocol):
    """An incremental parser. Each stream has its own."""

    #: Media types to accept.
    accept: ClassVar[str]

    #: Whether an answer whose content type is JSON is not a stream but one whole answer, usually an error.
    json_is_whole: ClassVar[bool]

    def feed(self, chunk: bytes) -> Sequence[Any]:
        """Take some bytes and return the events that they complete.

        Raises:
            BrokenStream: A line cannot be read or is too long.
        """

    def finish(self) -> Sequence[Any]:
        """Take the end of the stream and return the event that it completes, if any.

        Raises:
            BrokenStream: The stream ended in the middle of an event.
        """


class RawBytes:
    """Events that are the bytes themselves, as they come."""

    accept: ClassVar[str] = "*/*"
    json_is_whole: ClassVar[bool] = False

    def feed(self, chunk: bytes) -> Sequence[bytes]:
        """Return the bytes."""
        return (chunk,) if chunk else ()

    def finish(self) -> Sequence[bytes]:
        """Return nothing more."""
        return ()


class Lines:
    """Bytes cut into lines, which may end in CRLF, LF or CR and be split anywhere.

    Args:
        longest: Bytes that one line may have.
    """

    def __init__(self, longest: int = LONGEST) -> None:
        self.count = 0
        self._longest = longest
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that some bytes complete, without their ends.

        Raises:
            BrokenStream: A line is too long.
        """
        if self._after_cr and chunk:
            chunk, self._after_cr = chunk.removeprefix(b"\n"), False
        if not chunk:
            return []
        self._after_cr = chunk.endswith(b"\r")
        lines = chunk.splitlines()
        rest = b"" if chunk.endswith((b"\n", b"\r")) else lines.pop()
        if lines and self._pending:
            lines[0] = b"".join([*self._pending, lines[0]])
            self._pending, self._pending_size = [], 0
        if rest:
            self._pending.append(rest)
            self._pending_size += len(rest)
        if self._pending_size > self._longest or any(len(line) > self._longest for line in lines):
            raise BrokenStream(f"line {self.count + 1} has more than {self._longest} bytes")
        if lines and not self.count:
            lines[0] = lines[0].removeprefix(_BOM)
        self.count += len(lines)
        return lines

    def finish(self) -> bytes:
        """Return the last line if it has no end, or nothing."""
        rest, self._pending = b"".join(self._pending), []
        return rest if self.count else rest.removeprefix(_BOM)


class JsonLines:
    """Newline-delimited JSON: each line is one value. Blank lines are skipped; a value may break over two lines.

    Args:
        longest: Bytes that one line may have.
    """

    accept: ClassVar[str] = "application/x-ndjson, application/json"
    json_is_whole: ClassVar[bool] = False  # many services call such a stream application/json

    def __init__(self, longest: int = LONGEST) -> None:
        self._lines = Lines(longest)
        self._broken: bytes | None = None

    def feed(self, chunk: bytes) -> list[Any]:
        """Return the values that some bytes complete.

        Raises:
            BrokenStream: A line is not JSON, also not together with the next one, or is too long.
        """
        return [value for line in self._lines.feed(chunk) if line.strip() for value in self._values(line)]

    def finish(self) -> list[Any]:
        """Return the value of a last line without an end.

        Raises:
            BrokenStream: The stream ended in the middle of a value.
        """
        rest = self._lines.finish()
        values = self._values(rest) if rest.strip() else []
        if self._broken is not None:
            raise BrokenStream("the stream ended in the middle of a line")
        return values

    def _values(self, line: bytes) -> list[Any]:
        whole = line if self._broken is None else self._broken + b"\n" + line
        try:
            value = json.loads(whole.decode(), strict=False)  # not strict: the break may lie within a text
        except (ValueError, RecursionError) as error:
            if self._broken is not None:
                raise BrokenStream(f"line {self._lines.count} is not JSON") from error
            self._broken = line
            return []
        self._broken = None
        return [value]


class ServerSentEvent(NamedTuple):
    """One event of a ``text/event-stream``.

    Attributes:
        data: The event's text; its lines are joined by LF.
        event: Name of the event.
        id: Id of the last event that had one, or None.
        retry: Milliseconds after which the service wants to be called again, or None.
    """

    data: str
    event: str = "message"
    id: str | None = None
    retry: int | None = None

    def json(self) -> Any:
        """Parse the data as JSON.

        Raises:
            BrokenStream: The data is not JSON.
        """
        try:
            return json.loads(self.data)
        except (ValueError, RecursionError) as error:
            raise BrokenStream(f"the data of a {self.event!r} event is not JSON") from error


class ServerSentEvents:
    """Server-sent events, read as the HTML standard says, but for an end without a blank line, which loses nothing.

    Args:
        longest: Bytes that one line may have, and the data of one event.
    """

    accept: ClassVar[str] = "text/event-stream"
    json_is_whole: ClassVar[bool] = True

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._lines = Lines(longest)
        self._id: str | None = None
        self._clear()

    def _clear(self) -> None:
        self._data: list[str] = []
        self._size = 0
        self._event = ""
        self._retry: int | None = None

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that some bytes complete.

        Raises:
            BrokenStream: A line or an event is too long.
        """
        return [event for line in self._lines.feed(chunk) for event in self._events(line)]

    def finish(self) -> list[ServerSentEvent]:
        """Return a last event whose lines are whole.

        Raises:
            BrokenStream: The stream ended in the middle of a line.
        """
        if self._lines.finish():
            raise BrokenStream("the stream ended in the middle of a line")
        return self._events(b"")

    def _events(self, line: bytes) -> list[ServerSentEvent]:
        if line:
            self._take(line)
            return []
        data = "\n".join(self._data)
        event = ServerSentEvent(data, self._event or "message", self._id, self._retry)
        self._clear()
        return [event] if data else []

    def _take(self, line: bytes) -> None:
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._data.append(value)
                self._size += len(line)
                if self._size > self._longest:
                    raise BrokenStream(f"the event before line {self._lines.count} has more than {self._longest} bytes")
            case "event":
                self._event = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                self._retry = int(value)
            case _:
                pass  # a comment has an empty name; unknown names are ignored
