"""Downloads: a file that appears under its name only when it is complete."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


class Download:
    """A temporary file beside the target, which replaces the target at the end.

    Args:
        target: Path of the file to make. An existing file stays as it is until the new one is complete.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._file: BinaryIO | None = None
        self._part = target

    def start(self) -> None:
        """Begin anew: a further try drops what the one before has written."""
        self.discard()
        self._part = self._target.with_name(f".{self._target.name}.{uuid4().hex}.part")
        self._file = self._part.open("xb")

    def write(self, chunk: bytes) -> None:
        """Write some bytes."""
        if self._file is not None:
            self._file.write(chunk)

    def finish(self) -> None:
        """Put the file in its place."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._part.replace(self._target)

    def discard(self) -> None:
        """Remove an incomplete file."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._part.unlink(missing_ok=True)
