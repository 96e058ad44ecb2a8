"""Headless Chromium, services whose runs wait for the test, and an engine that writes its answer piece by piece."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from lumnisai_core.local import LocalLumnis, RunReport, RunRequest, RunResult, Script
from tests.browser.page import Page
from tests.conftest import Serve
from tests.servers import GatedEngine

Gated = Callable[..., tuple[LocalLumnis, GatedEngine]]
Written = tuple[LocalLumnis, "WritingEngine"]
Writing = Callable[..., Written]

_MOST_RUNS = 10
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class WritingEngine:
    """Writes an answer: a piece of it each time the test opens the gate, and its end when there are no more.

    It keeps the feedback that it reads before each piece, and whether it was cancelled.
    """

    def __init__(self, *pieces: str, usage: dict[str, int] | None = None, model: str | None = None) -> None:
        self.feedback: list[str] = []
        self.is_cancelled = False
        self._pieces = pieces
        self._usage = usage
        self._model = model
        self._gate = threading.Semaphore(0)

    def open(self) -> None:
        """Let one more piece be written."""
        self._gate.release()

    async def run(self, _request: RunRequest, report: RunReport) -> RunResult:
        """Write the answer to whatever was asked."""
        text, index = "", None
        try:
            for piece in self._pieces:
                await asyncio.to_thread(self._gate.acquire)
                self.feedback += [item.text for item in report.feedback()]
                text += piece
                if index is None:
                    index = report.progress("Writing the answer", output_text=text)
                else:
                    report.replace(index, output_text=text)
            await asyncio.to_thread(self._gate.acquire)
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise
        return RunResult(text, usage=self._usage, model=self._model)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One browser for all tests, with an empty profile and the driver that is installed."""
    driver = shutil.which("chromedriver")
    assert driver is not None, "chromedriver is needed: run `make browser`"
    profile: Path = tmp_path_factory.mktemp("profile")
    options = Options()
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


@pytest.fixture
def page(chromium: webdriver.Chrome) -> Iterator[Page]:
    """A tab of its own, so that nothing is left in it from another test."""
    first = chromium.current_window_handle
    chromium.switch_to.new_window("tab")
    chromium.get_log("browser")  # messages of earlier tabs
    shown = Page(chromium)
    shown.resize(1440, 900)
    yield shown
    chromium.close()
    chromium.switch_to.window(first)


@pytest.fixture
def gated(serve: Serve) -> Iterator[Gated]:
    """Start a service whose runs play one part each time the test opens the gate: ``gated(Script(), ...)``."""
    engines: list[GatedEngine] = []

    def start(*parts: Script, **options: object) -> tuple[LocalLumnis, GatedEngine]:
        engine = GatedEngine(*parts)
        engines.append(engine)
        return serve(engine, **options), engine

    yield start
    _open(engines)


@pytest.fixture
def writing(serve: Serve) -> Iterator[Writing]:
    """Start a service whose runs write the next piece of their answer each time the test opens the gate."""
    engines: list[WritingEngine] = []

    def start(*pieces: str, usage: dict[str, int] | None = None, model: str | None = None) -> Written:
        engine = WritingEngine(*pieces, usage=usage, model=model)
        engines.append(engine)
        return serve(engine), engine

    yield start
    _open(engines)


def _open(engines: Iterable[GatedEngine | WritingEngine]) -> None:
    """Open all gates: a service closes only once no thread waits at one."""
    for engine in engines:
        for _ in range(_MOST_RUNS):
            engine.open()
