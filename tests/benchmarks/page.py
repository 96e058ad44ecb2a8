"""The page that keeps the newest table, and the machine it was made on."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.benchmarks.rows import Reading, markdown

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- written by: make bench ARGS=--write -->\n", "<!-- until here -->\n"
_PACKAGES = (
    "lumnisai-integrations",
    "lumnisai",
    "httpx",
    "pydantic",
    "langchain-core",
    "langchain-openai",
    "llama-index-core",
    "llama-index-llms-openai",
)


def machine() -> str:
    """Describe this machine without naming it."""
    cores = os.cpu_count()
    return f"{cores} cores ({platform.machine()}), {platform.system()}, Python {platform.python_version()}"


def written(readings: Mapping[str, Reading]) -> str:
    """Write the part of the page that a measurement makes."""
    versions = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    return f"Measured on {machine()}, with {versions}.\n\n{markdown(readings)}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # the tests of this page do without what `make bench` installs
        return "(not installed)"


def with_table(page: str, table: str, first: str = BEGIN, last: str = END) -> str:
    """Return a page with another text between two marks.

    Raises:
        ValueError: The marks are missing.
    """
    before, begin, rest = page.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} lacks one of the lines {first.strip()!r} and {last.strip()!r}.")
    return f"{before}{begin}\n{table}\n{end}{after}"
