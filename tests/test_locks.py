"""Lock files: what `make` installs has a version and hashes, and comes from no address."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = [*ROOT.glob("tests/*/constraints.txt"), *ROOT.glob("tests/*/*.lock"), ROOT / "constraints.txt"]
#: Extras that have a lock file of their own.
APART = {"bulk", "cookbook", "durable", "privacy", "ray", "thirdparty"}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_package_has_a_version_and_hashes(path: Path) -> None:
    """An installation from it refuses any other file."""
    lines = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip() and line[0] != "#"]
    assert not [line for line in lines if "://" in line or "index-url" in line or "find-links" in line]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if not line.startswith("--hash=sha256:"):
            assert re.match(r"[\w.-]+==\S+ (?:; .+ )?\\$", line), line
            assert following.startswith("--hash=sha256:"), line


def test_every_requirement_is_locked() -> None:
    """Those of all extras, and what builds the package."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras = settings["project"]["optional-dependencies"]
    wanted = [*settings["project"]["dependencies"], *settings["build-system"]["requires"], "editables"]
    wanted += [line for extra, lines in extras.items() if extra not in APART for line in lines]
    names = {_plain(line) for wanted_line in wanted for line in re.findall(r"^[\w.-]+", wanted_line)}
    names.discard(_plain(settings["project"]["name"]))
    locked = {
        _plain(name) for name in re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    }
    assert sorted(names - locked) == [], "run `make lock`"
