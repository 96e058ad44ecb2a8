"""Streamed answers: newline-delimited JSON and server-sent events, from bytes to events, piece by piece. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, NamedTuple, Protocol

from lumnisai_core._transport.request import ExchangeFailed

#: Bytes that one line or event may have.
LONGEST = 8 << 20

_BOM = b"\xef\xbb\xbf"


class BrokenStream(ExchangeFailed):
    """The bytes do not make up whole events. The text says where, and quotes nothing."""


class Parser(Protocol):
    """An incremental parser. Each stream has its own."""

    #: Media types to accept.
    accept: ClassVar[str]

    #: Whether an answer whose content type is JSON is not a stream but one whole answer, usually an error.
    json_is_whole: ClassVar[bool]

    def feed(self, chunk: bytes) -> Iterable[Any]:
        """Take some bytes and yield the events that they complete.

        Raises:
            BrokenStream: A line cannot be read or is too long.
        """

    def finish(self) -> Iterable[Any]:
        """Take the end of the stream and yield the event that it completes, if any.

        Raises:
            BrokenStream: The stream ended in the middle of an event.
        """


class RawBytes:
    """Events that are the bytes themselves, as they come."""

    accept: ClassVar[str] = "*/*"
    json_is_whole: ClassVar[bool] = False

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        """Yield the bytes."""
        return (chunk,) if chunk else ()

    def finish(self) -> Iterable[bytes]:
        """Yield nothing more."""
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

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the lines that some bytes complete, without their ends.

        Raises:
            BrokenStream: A line is too long.
        """
        if self._after_cr and chunk:
            chunk, self._after_cr = chunk.removeprefix(b"\n"), False
        if not chunk:
            return
        self._after_cr = chunk.endswith(b"\r")
        *lines, rest = chunk.splitlines() if chunk[-1:] not in b"\r\n" else [*chunk.splitlines(), b""]
        for line in lines:
            self._hold(line)
            yield self.finish()
        if rest:
            self._hold(rest)

    def _hold(self, piece: bytes) -> None:
        self._pending.append(piece)
        self._pending_size += len(piece)
        if self._pending_size > self._longest:
            raise BrokenStream(f"line {self.count + 1} has more than {self._longest} bytes")

    def finish(self) -> bytes:
        """Return the last line, which has no end, or nothing."""
        line = b"".join(self._pending)
        self._pending, self._pending_size = [], 0
        self.count += 1
        return line.removeprefix(_BOM) if self.count == 1 else line


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

    def feed(self, chunk: bytes) -> Iterator[Any]:
        """Yield the values that some bytes complete.

        Raises:
            BrokenStream: A line is not JSON, also not together with the next one, or is too long.
        """
        for line in self._lines.feed(chunk):
            yield from self._values(line)

    def finish(self) -> Iterator[Any]:
        """Yield the value of a last line without an end.

        Raises:
            BrokenStream: The stream ended in the middle of a value.
        """
        yield from self._values(self._lines.finish())
        if self._broken is not None:
            raise BrokenStream("the stream ended in the middle of a line")

    def _values(self, line: bytes) -> list[Any]:
        if not line.strip():
            return []
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

    def feed(self, chunk: bytes) -> Iterator[ServerSentEvent]:
        """Yield the events that some bytes complete.

        Raises:
            BrokenStream: A line or an event is too long.
        """
        for line in self._lines.feed(chunk):
            yield from self._events(line)

    def finish(self) -> Iterator[ServerSentEvent]:
        """Yield a last event whose lines are whole.

        Raises:
            BrokenStream: The stream ended in the middle of a line.
        """
        if self._lines.finish():
            raise BrokenStream("the stream ended in the middle of a line")
        yield from self._events(b"")

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
