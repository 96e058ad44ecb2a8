"""Downloads: a file that appears under its name only when it is complete."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from lumnisai_core.exceptions import ValidationError


class Download:
    """A temporary file beside the target, which replaces the target at the end.

    Its methods may run in different threads; after :meth:`discard` they do nothing.

    Args:
        target: Path of the file to make. An existing file stays as it is until the new one is complete.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._file: BinaryIO | None = None
        self._part: Path | None = None
        self._is_over = False
        self._lock = threading.Lock()

    def check(self) -> None:
        """Refuse a target that can never be written, before anything is sent.

        Raises:
            ValidationError: It is a folder or its name is too long, or its folder does not exist.
        """
        with self._writing():
            if self._target.is_dir():
                raise IsADirectoryError("it is a folder: name a file in it")
            if not self._target.parent.is_dir():
                raise NotADirectoryError("its folder does not exist")
            with suppress(FileNotFoundError):
                self._target.stat()

    def start(self) -> None:
        """Begin anew: a further try drops what the one before has written."""
        with self._writing():
            self._remove()
            if not self._is_over:
                self._part = self._target.with_name(f".{uuid4().hex}.part")  # short, however long the other name is
                self._file = self._part.open("xb")

    def write(self, chunk: bytes) -> None:
        """Write some bytes."""
        with self._writing():
            if self._file is not None:
                self._file.write(chunk)

    def finish(self) -> None:
        """Put the file in its place."""
        with self._writing():
            if self._file is not None and self._part is not None:
                self._file.close()
                self._part.replace(self._target)
                self._file = self._part = None

    def discard(self) -> None:
        """Remove an incomplete file."""
        with self._lock:
            self._is_over = True
            self._remove()

    def _remove(self) -> None:
        with suppress(OSError):
            if self._file is not None:
                self._file.close()
        if self._part is not None:
            with suppress(OSError):
                self._part.unlink(missing_ok=True)
        self._file = self._part = None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                raise ValidationError(f"{str(self._target)!r} cannot be written: {reason}") from error
