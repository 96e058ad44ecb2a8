"""The pages of the cookbook: what each has, its style, and the words by which people look for it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cookbook import pages
from tests.cookbook.pages import FOLDER, NAMES

ROOT = FOLDER.parents[1]

#: Most lines of a program: it is read in one go.
MOST_LINES = 60


@pytest.mark.parametrize("page", NAMES)
def test_a_page_has_a_way_to_start_a_program_and_an_output(page: str) -> None:
    """The first block says what to install and how to run it; below the program stands what it prints."""
    text = pages.text_of(page)
    first = re.search(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert first is not None
    assert first[1] == "console"
    programs = {name: source for name, source in pages.files_of(page).items() if name.endswith(".py")}
    assert programs
    for name, source in programs.items():
        assert ast.get_docstring(ast.parse(source)), name
        assert source.count("\n") <= MOST_LINES, name
    assert re.search(r"^\$ .*(pip install|docker)", text, re.MULTILINE)
    assert pages.outputs_of(page)


def test_the_first_page_lists_all_others() -> None:
    """Once each."""
    linked = re.findall(r"^\| \[[^]]+\]\((\w[\w-]*)\.md\)", pages.text_of("index"), re.MULTILINE)
    assert sorted(linked) == NAMES


def test_programs_have_the_style_of_the_project(tmp_path: Path) -> None:
    """In lines of 88 columns; they may print, and their functions need no docstring."""
    for page in NAMES:
        folder = tmp_path / f"page-{page}"  # not that of a package, which would seem to be the program's own
        folder.mkdir()
        pages.save(page, folder)
    own = ["line-length=88", 'src=["page-*"]']
    options = ["--no-cache", *(part for each in (ROOT / "pyproject.toml", *own) for part in ("--config", str(each)))]
    check = ["check", "--ignore", "ARG001,BLE001,D1,S101,T20", *options]
    for command in (check, ["format", "--diff", *options]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "."], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("words", ["stream progress to a browser", "FastAPI", "Docker", "trace", "Open WebUI", "RAG"])
def test_a_search_finds_a_heading(words: str) -> None:
    """Headings weigh most in the search of the site."""
    headings = [
        heading
        for path in FOLDER.parent.rglob("*.md")
        for heading in re.findall(r"^#{1,3} (.+)$", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert [heading for heading in headings if re.search(rf"\b{words}\b", heading, re.IGNORECASE)]
