"""The agent of the cookbook that asks for approval, in processes that are killed and started again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis, OfflineEngine
from tests.conftest import Serve
from tests.cookbook import pages

pytestmark = pytest.mark.timeout(300)  # processes of their own, which take their time on a busy machine

QUESTION = 'Call send_notice("The bridge is closed on Monday.")'


class Job:
    """The program, its folder and its service."""

    def __init__(self, local: LocalLumnis, folder: Path) -> None:
        pages.save("approval", folder)
        self._local = local
        self._folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def start(self) -> subprocess.Popen[str]:
        """Start the program with the arguments that the page has."""
        pipe = subprocess.PIPE
        environment = {**os.environ, **self._local.environment()}
        command = [sys.executable, "approve.py", "notice-1", QUESTION]
        program = subprocess.Popen(
            command, cwd=self._folder, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        self._started.append(program)
        return program

    def close(self) -> None:
        """End programs that a failed test has left."""
        for program in self._started:
            if program.poll() is None:
                program.kill()
                program.communicate()

    def answered(self, answer: str) -> str:
        """Run the program to its end with an answer; return what a person sees, with the answer that was typed."""
        printed, errors = (program := self.start()).communicate(answer, timeout=200)
        assert program.returncode == 0, errors
        return re.sub(r"(\[y/N\] )", rf"\g<1>{answer}", printed)

    @property
    def runs(self) -> int:
        """How many runs there are on the service."""
        with Client(self._local.api_key, base_url=self._local.base_url, user_id="user-123") as client:
            return client.list_responses().total or 0

    @property
    def sent(self) -> list[str]:
        """The notices that were sent."""
        file = self._folder / "sent.txt"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def job(serve: Serve, tmp_path: Path) -> Iterator[Job]:
    """A job that has not begun."""
    job = Job(serve(OfflineEngine(step_delay=0.05)), tmp_path)
    yield job
    job.close()


def test_nothing_is_sent_before_a_person_agrees(job: Job) -> None:
    """The page shows the conversation; started once more, the program only shows the answer."""
    assert job.answered("y\n") == pages.outputs_of("approval")[0]
    assert (job.sent, job.runs) == (["The bridge is closed on Monday."], 2)
    assert job.answered("") == pages.outputs_of("approval")[0].splitlines(keepends=True)[-1]
    assert (len(job.sent), job.runs) == (1, 2)


def test_a_person_can_refuse(job: Job) -> None:
    """The tool is not called."""
    assert "Approve?" in job.answered("n\n")
    assert job.sent == []


def test_killed_programs_find_their_runs(job: Job) -> None:
    """One dies while its first run works, the next while it waits for a person; the third ends the job."""
    first = job.start()
    while not job.runs:
        assert first.poll() is None
    first.kill()
    first.communicate()
    second = job.start()
    assert second.stdout is not None
    assert "The agent wants to call send_notice" in second.stdout.readline()
    second.kill()
    second.communicate()
    assert job.runs == 1
    assert job.answered("y\n") == pages.outputs_of("approval")[0]
    assert (len(job.sent), job.runs) == (1, 2)
