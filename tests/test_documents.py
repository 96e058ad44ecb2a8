"""Code blocks of the documents: Python blocks run as they are, no block is too wide, the reference is up to date."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lumnisai_core.local import LocalLumnis
from tests import reference

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

#: Widest line of a code block, in columns: it fits on half a screen and in the site without scrolling.
COLUMNS = 88


def python_blocks(page: Path) -> list[object]:
    """Return the Python blocks of a page as test parameters."""
    text = page.read_text("utf-8")
    return [
        pytest.param(match[1], id=f"{page.parent.name}-{page.stem}-line-{text[: match.start()].count(chr(10)) + 2}")
        for match in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    ]


# The reference holds signatures, which cannot run.
BLOCKS = [block for page in PAGES if page.parent.name != "reference" for block in python_blocks(page)]


def wide_lines(text: str) -> list[str]:
    """Return the lines of a page's code blocks that have more than `COLUMNS` columns."""
    blocks = re.findall(r"^( *)(```+|~~~+)[^\n]*\n(.*?)^\1\2 *$", text, re.MULTILINE | re.DOTALL)
    return [line for _, _, block in blocks for line in block.splitlines() if len(line) > COLUMNS]


def test_the_documents_have_python_blocks() -> None:
    """The pattern finds the blocks that the next test runs."""
    assert len(BLOCKS) >= 15


# Warnings from the code of LlamaIndex's workflow agents.
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")
@pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning")
@pytest.mark.parametrize("block", BLOCKS)
def test_a_python_block_runs(
    block: str, local: LocalLumnis, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With key and address in the environment, each block runs by itself, and a block that prints has output."""
    for name, value in local.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", None)  # a block may set it
    exec(compile(block, "<document>", "exec"), {"__name__": "__main__"})
    if "print" in block:
        assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("page", [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in PAGES])
def test_code_blocks_are_narrow(page: Path) -> None:
    """No line of a code block is wider than 88 columns, in any language."""
    assert wide_lines(page.read_text("utf-8")) == []


def test_a_wide_line_is_found() -> None:
    """Lines of blocks count, also of indented blocks; lines of prose and tables do not."""
    wide, narrow = "x" * 89, "x" * 88
    page = f"{wide}\n\n```python\n{wide}\n{narrow}\n```\n\n  ~~~text\n  {narrow}\n  ~~~\n"
    assert wide_lines(page) == [wide, f"  {narrow}"]


def test_the_reference_is_up_to_date() -> None:
    """Reference pages match the docstrings; if they do not, run `make reference`."""
    assert reference.stale() == [], "run `make reference`"


@pytest.mark.parametrize("framework", ["LangChain", "LlamaIndex"])
def test_the_first_screen_streams_an_answer(
    framework: str, local: LocalLumnis, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first block of each framework answers its own question."""
    text = README.read_text("utf-8")
    block = re.search(rf"^## {framework}\n.*?^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    exec(compile(block[1], str(README), "exec"), {"__name__": "__main__"})
    assert "Spring tides follow the full moon." in capsys.readouterr().out
