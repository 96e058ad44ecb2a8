"""The page of versions: every package that is tried has a row, with the version that is installed."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version

from tests.thirdparty.conftest import PAGE, documented

#: What the extra needs beside the packages that are tried.
HELPERS = {"fastapi", "langchain-community", "lumnisai-integrations", "mcp", "pytest", "pytest-asyncio"}
HELPERS |= {"pytest-timeout", "sse-starlette"}


def test_the_page_lists_what_is_installed() -> None:
    assert documented() == {package: version(package) for package in documented()}


def test_the_page_lists_every_package_of_the_extra() -> None:
    project = tomllib.loads((PAGE.parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    required = {re.split(r"[\[<>=]", one)[0] for one in project["optional-dependencies"]["thirdparty"]}
    assert required - HELPERS <= documented().keys()
