"""Pages of the cookbook: their programs as files, and the outputs shown below them."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "cookbook"
NAMES = sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "index")

_FILE = re.compile(r"^`([\w.]+)`[^`\n]*:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_OUTPUT = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def text_of(page: str) -> str:
    """Return the Markdown of a page."""
    return (FOLDER / f"{page}.md").read_text("utf-8")


def files_of(page: str) -> dict[str, str]:
    """Return the files that a page shows, by their names: blocks below a line such as `app.py`:."""
    return dict(_FILE.findall(text_of(page)))


def save(page: str, folder: Path) -> None:
    """Save the files of a page in a folder, as its readers do."""
    for name, text in files_of(page).items():
        (folder / name).write_text(text, "utf-8")


def outputs_of(page: str) -> list[str]:
    """Return the outputs that a page shows, in their order."""
    return _OUTPUT.findall(text_of(page))
