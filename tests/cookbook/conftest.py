"""The service of the programs, whose variables are in the environment, and a folder in which they are saved and run."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import lumnisai_core.lucidic as lai
from lumnisai_core.local import LocalLumnis
from tests.cookbook import pages

#: Runs a program of a page with arguments and returns what it prints; its exit status must be 0 or None.
Run = Callable[..., str]


@pytest.fixture
def environment(local: LocalLumnis, monkeypatch: pytest.MonkeyPatch) -> LocalLumnis:
    """Name the service of this module in the environment, as the first page says."""
    for name, value in local.environment().items():
        monkeypatch.setenv(name, value)
    return local


@pytest.fixture
def run(
    environment: LocalLumnis, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Save the files of a page in the working folder and run one of them in this process."""
    monkeypatch.chdir(tmp_path)

    def run_program(page: str, name: str, *arguments: str) -> str:
        pages.save(page, tmp_path)
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        try:
            runpy.run_path(name, run_name="__main__")
        except SystemExit as left:
            if left.code:
                pytest.fail(str(left.code))
        return capsys.readouterr().out

    yield run_program
    assert lai.flush(20)  # what the service that ends here has not got would wait for it in later tests
