"""Headless Chromium, and services whose runs wait for the test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from lumnisai_core.local import LocalLumnis, Script
from tests.browser.page import Page
from tests.conftest import Serve
from tests.servers import GatedEngine

Gated = Callable[..., tuple[LocalLumnis, GatedEngine]]

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
    chromium.get_log("browser")  # what earlier tabs said
    yield Page(chromium)
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
    for engine in engines:  # a service closes only once no thread waits at a gate
        for _ in range(_MOST_RUNS):
            engine.open()
