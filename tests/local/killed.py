"""Services in processes of their own, to be killed without warning.

Run as a program, it serves a database file: `python -m tests.local.killed PATH PORT KEY [MOMENT]`. With the moment
`accepted` it kills itself when a run has been stored and nobody has been told yet.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from lumnisai_core.local import LocalLumnis, RunReport, RunRequest, RunResult
from lumnisai_core.local.lumnis.runs import Runs
from lumnisai_core.local.lumnis.store.rows import RunRow
from tests.local.support import PATIENCE

KEY = "lmn_local_killed"


class OpenEndedEngine:
    """Echoes a question at once, unless it asks to wait: that run never ends."""

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        text = request.input_messages[-1].content
        report.progress("Working.")
        if text.startswith("wait"):
            await asyncio.Event().wait()
        return RunResult(f"answer to {text}")


class Killable:
    """A service in a process of its own.

    Args:
        path: its database file.
        moment: when it kills itself; default: never.
    """

    def __init__(self, path: Path, moment: str = "") -> None:
        command = [sys.executable, "-m", "tests.local.killed", str(path), "0", KEY, moment]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.base_url = self._process.stdout.readline().strip()
        assert self.base_url

    def caller(self) -> httpx.Client:
        """Return a caller for it."""
        return httpx.Client(base_url=self.base_url, headers={"x-api-key": KEY}, timeout=PATIENCE)

    def kill(self) -> None:
        """End it without warning."""
        self._process.kill()
        self.wait()

    def wait(self) -> int:
        """Wait until it is gone; return its exit status."""
        status = self._process.wait(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return status


@contextmanager
def killable(path: Path, moment: str = "") -> Iterator[Killable]:
    """Serve a file in another process, which is gone at the end of the block."""
    service = Killable(path, moment)
    try:
        yield service
    finally:
        service.kill()


def _die(_runs: Runs, _run: RunRow) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _main(path: str, port: str, key: str, moment: str = "") -> None:
    if moment == "accepted":
        setattr(Runs, "start", _die)  # noqa: B010 - a method
    service = LocalLumnis(engine=OpenEndedEngine(), path=path, port=int(port), api_key=key)
    service.serve_forever(lambda base_url, _: print(base_url, flush=True))  # noqa: T201 - read by whoever started it


if __name__ == "__main__":
    _main(*sys.argv[1:])
