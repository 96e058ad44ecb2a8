"""Terminal emulation: a command in a real terminal, with typed input and visible output."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

CTRL_C = "\x03"
CTRL_D = "\x04"

# A new session has no terminal: the command takes that of its input, so that Ctrl-C is a signal to it.
_START = (
    "import fcntl, runpy, sys, termios\nfcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "runpy.run_module('lumnisai_integrations.cli', run_name='__main__')"
)
_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[=>]|\r")


class Terminal:
    """The near side of a terminal."""

    def __init__(self, side: int, process: subprocess.Popen[bytes], patience: float) -> None:
        self._side = side
        self._process = process
        self._patience = patience
        self._unread = ""
        self.raw = ""
        self.pieces: list[tuple[float, str]] = []  # of that, with the times at which they came

    def type(self, text: str) -> None:
        """Type a text."""
        os.write(self._side, text.encode())

    def until(self, text: str) -> str:
        """Read until a text appears; return what came before it and the text, without colours."""
        deadline = time.monotonic() + self._patience
        while text not in self._unread:
            assert self._read(deadline), f"{text!r} never came; there is {self._unread!r}"
        seen, _, self._unread = self._unread.partition(text)
        return seen + text

    def press_until(self, key: str, text: str) -> None:
        """Press a key, again if need be, until a text appears.

        A signal that comes in the moment in which readline is about to wait for a key takes effect with the next one.
        """
        deadline = time.monotonic() + self._patience
        while text not in self._unread:
            assert time.monotonic() < deadline, f"{text!r} never came; there is {self._unread!r}"
            self.type(key)
            self._read(time.monotonic() + 1)
        self._unread = self._unread.partition(text)[2]

    def end(self) -> tuple[int, str]:
        """Read to the end; return the exit status and what came, without colours."""
        deadline = time.monotonic() + self._patience
        while self._read(deadline):
            pass
        return self._process.wait(timeout=self._patience), self._unread

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._side], [], [], max(0, deadline - time.monotonic()))
        try:
            content = os.read(self._side, 65536) if ready else b""
        except OSError:  # the far side is closed
            return False
        text = content.decode(errors="replace")
        self.raw += text
        self.pieces.append((time.monotonic(), text))
        self._unread += _SEQUENCE.sub("", text)
        return bool(content)


@contextmanager
def in_terminal(
    *arguments: str, environment: Mapping[str, str], folder: Path, columns: int = 100, patience: float = 120.0
) -> Iterator[Terminal]:
    """Run the command in a terminal; what is waited for must come within ``patience`` seconds."""
    near, far = pty.openpty()
    fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    # A size in the environment would win over that of the terminal.
    known = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LUMNISAI_") and name not in ("COLUMNS", "LINES")
    }
    process = subprocess.Popen(
        [sys.executable, "-c", _START, *arguments],
        stdin=far,
        stdout=far,
        stderr=far,
        start_new_session=True,
        cwd=folder,
        env={**known, "TERM": "xterm-256color", **environment},
    )
    os.close(far)
    try:
        yield Terminal(near, process, patience)
    finally:
        process.kill()
        process.wait()
        os.close(near)
