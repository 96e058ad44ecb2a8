"""Content of answers: headers and bodies within limits, compressed ones measured after inflation. Pure."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from lumnisai_core._transport.answer import Answer
from lumnisai_core._transport.request import ExchangeFailed
from lumnisai_core.exceptions import ConfigurationError

#: Bytes that the body of an answer may have by default.
MAX_ANSWER_SIZE = 128 << 20

#: Bytes of an error's body that are read; the rest is cut off, because its status says enough.
_ERROR_SIZE = 1 << 20

#: Bytes that the names and values of all headers may have.
_HEADER_SIZE = 1 << 16

#: Bytes that a compressed body is inflated to at a time.
_PIECE = 1 << 20

#: What ``Accept-Encoding`` asks for.
ENCODINGS = "gzip, deflate"


def check_answer_size(size: object) -> None:
    """Check a limit for the bodies of answers.

    Raises:
        ConfigurationError: It is not a positive whole number.
    """
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise ConfigurationError(f"max_answer_size must be a whole number of bytes, at least 1, not {size!r}.")


def check_headers(fields: Iterable[tuple[bytes, bytes]]) -> None:
    """Check the size of an answer's headers.

    Raises:
        ExchangeFailed: They are too long.
    """
    if sum(len(name) + len(value) for name, value in fields) > _HEADER_SIZE:
        raise ExchangeFailed(f"the answer's headers have more than {_HEADER_SIZE} bytes")


def headers_of(fields: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return an answer's headers as text: names in lower case, the values of equal names joined by commas."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in fields:
        name, value = raw_name.decode("latin-1").lower(), _text(raw_value)
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


class Arriving(NamedTuple):
    """An answer from an asynchronous connection, with its body still to come.

    Attributes:
        status: HTTP status.
        fields: Its headers as they came.
        pieces: The body as it comes.
        close: Closes the answer, and its connection if the body was not read to its end.
        is_inflated: Whether the HTTP library inflates the body.
    """

    status: int
    fields: Sequence[tuple[bytes, bytes]]
    pieces: AsyncIterator[bytes]
    close: Callable[[], Awaitable[None]]
    is_inflated: bool = False


class Content:
    """The body of one answer, as it comes.

    Args:
        head: The answer without its body.
        limit: Bytes that the body of a good answer may have when it is collected.
        is_inflated: Whether the HTTP library has inflated the body already.
    """

    def __init__(self, head: Answer, limit: int, *, is_inflated: bool = False) -> None:
        encoding = "" if is_inflated else head.headers.get("content-encoding", "").strip().lower()
        self._encoding = encoding
        self._inflate = None if encoding in ("", "identity") else zlib.decompressobj(_window(encoding))
        self._limit = limit if head.is_success else min(limit, _ERROR_SIZE)
        self._may_be_cut = not head.is_success
        self._is_new = True
        self._collected: list[bytes] = []
        self._size = 0

    def pieces(self, raw: bytes) -> Iterator[bytes]:
        """Yield the content of some bytes from the connection, in pieces of bounded size.

        Raises:
            ExchangeFailed: They cannot be inflated.
        """
        if self._inflate is None:
            yield raw
            return
        while raw:
            try:
                piece = self._inflate.decompress(raw, _PIECE)
            except zlib.error as error:
                if not (self._is_new and self._encoding == "deflate"):
                    raise ExchangeFailed(f"the {self._encoding} body cannot be read: {error}") from error
                self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)  # many servers leave out the header of zlib
                piece = self._inflate.decompress(raw, _PIECE)
            self._is_new = False
            yield piece
            raw = self._inflate.unconsumed_tail
            if self._inflate.eof and self._encoding != "deflate" and self._inflate.unused_data[:2] == b"\x1f\x8b":
                raw = self._inflate.unused_data  # a further member of the file
                self._inflate = zlib.decompressobj(_window(self._encoding))

    def check_end(self) -> None:
        """Check that the body is complete.

        Raises:
            ExchangeFailed: It was cut off while it was compressed.
        """
        if self._inflate is not None and not self._is_new and not self._inflate.eof:
            raise ExchangeFailed(f"the {self._encoding} body broke off")

    def collect(self, raw: bytes) -> bool:
        """Keep the content of some bytes, and return whether the rest is needed.

        Raises:
            ExchangeFailed: The body is too large or cannot be inflated.
        """
        for piece in self.pieces(raw):
            self._collected.append(piece)
            self._size += len(piece)
            if self._size > self._limit:
                if self._may_be_cut:
                    return False
                raise ExchangeFailed(
                    f"the answer has more than {self._limit} bytes: download it to a file, or make the client with a "
                    "larger max_answer_size",
                    is_final=True,
                )
        return True

    def collected(self) -> bytes:
        """Return the body.

        Raises:
            ExchangeFailed: It is not complete.
        """
        if self._size <= self._limit:
            self.check_end()
        return b"".join(self._collected)[: self._limit]


def _window(encoding: str) -> int:
    if encoding in ("gzip", "x-gzip"):
        return zlib.MAX_WBITS | 16
    if encoding == "deflate":
        return zlib.MAX_WBITS
    raise ExchangeFailed(f"the body is encoded as {encoding[:40]!r}, which was not asked for", is_final=True)


class Rechunked:
    """Pieces of a body joined to larger ones.

    Args:
        size: Bytes that a piece has at least, but for the last one; None leaves pieces as they are.
    """

    def __init__(self, size: int | None) -> None:
        self._size = size or 1
        self._held: list[bytes] = []

    def add(self, piece: bytes) -> Sequence[bytes]:
        """Return the piece that is complete now, if any."""
        self._held.append(piece)
        return self.rest() if sum(map(len, self._held)) >= self._size else ()

    def rest(self) -> Sequence[bytes]:
        """Return the last piece, if any."""
        joined, self._held = b"".join(self._held), []
        return (joined,) if joined else ()
