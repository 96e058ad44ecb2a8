"""Where downloaded bytes go: to memory, or to a file that appears only when it is complete."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import uuid4


class Sink(Protocol):
    """Takes bytes as they come; a further try starts it anew."""

    def start(self) -> None:
        """Forget what was written before."""

    def write(self, chunk: bytes) -> None:
        """Take some bytes."""


class MemorySink:
    """Collects bytes in memory."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def start(self) -> None:
        """Forget what was written before."""
        self._chunks.clear()

    def write(self, chunk: bytes) -> None:
        """Take some bytes."""
        self._chunks.append(chunk)

    @property
    def content(self) -> bytes:
        """Everything written."""
        return b"".join(self._chunks)


class FileSink:
    """Writes to a temporary file beside the target, which replaces the target at the end.

    Args:
        target: Path of the file to make. An existing file stays as it is until the new one is complete.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._file: BinaryIO | None = None
        self._part = target

    def start(self) -> None:
        """Forget what was written before."""
        self.discard()
        self._part = self._target.with_name(f".{self._target.name}.{uuid4().hex}.part")
        self._file = self._part.open("xb")

    def write(self, chunk: bytes) -> None:
        """Take some bytes."""
        if self._file is not None:
            self._file.write(chunk)

    def finish(self) -> None:
        """Put the file in its place."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._part.replace(self._target)

    def discard(self) -> None:
        """Remove what is not complete."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._part.unlink(missing_ok=True)
