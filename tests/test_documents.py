"""Every Python block of the documents runs as it is, against the embedded service; the reference is current."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lumnisai_core.local import LocalLumnis
from tests import reference

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs").glob("*/*.md"))]
PAGES = [page for page in PAGES if page.parent.name != "reference"]  # signatures there are no programs


def blocks_of(page: Path) -> list[object]:
    text = page.read_text("utf-8")
    return [
        pytest.param(match[1], id=f"{page.parent.name}-{page.stem}-line-{text[: match.start()].count(chr(10)) + 2}")
        for match in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    ]


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def test_there_are_blocks() -> None:
    """The pattern finds the blocks that the next test runs."""
    assert len(BLOCKS) >= 15


# What LlamaIndex's workflow agents warn of in their own code.
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")
@pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning")
@pytest.mark.parametrize("block", BLOCKS)
def test_block_runs(
    block: str, local: LocalLumnis, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With key and address in the environment, a block does what its text says without raising."""
    monkeypatch.setenv("LUMNISAI_API_KEY", local.api_key)
    monkeypatch.setenv("LUMNISAI_BASE_URL", local.base_url)
    exec(compile(block, "<document>", "exec"), {"__name__": "__main__"})
    if "print" in block:
        assert capsys.readouterr().out.strip()


def test_the_reference_is_current() -> None:
    """Reference pages say what the docstrings say; otherwise run `make reference`."""
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
