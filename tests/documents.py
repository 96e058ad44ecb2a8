"""Python blocks of the documents, and the outputs below them.

``python -m tests.documents`` runs each block that prints and writes what it prints into a block of `text` below it; what
differs between runs becomes ``...``. Paths limit it to some pages, ``--missing`` to blocks without an output.
"""

from __future__ import annotations

import argparse
import asyncio
import difflib
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest

from lumnisai_core.local import LocalLumnis, OfflineEngine

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
#: Widest line of a code block, in columns: it fits on half a screen and in the site without scrolling.
COLUMNS = 88
#: Most lines of an output, and how many of a longer one are shown at its beginning and at its end.
_MOST_LINES, _FIRST, _LAST = 16, 10, 3
#: Runs of a block that are compared to find what differs.
_RUNS = 3
_ANYTHING = "..."
_BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<printed>.*?)^```\n)?", re.MULTILINE | re.DOTALL)
#: What differs from run to run, even if two runs happen to agree: ids, times, durations and ports.
_CHANGING = re.compile(
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    r"|\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d[\d:.]*(?:\+00:00|Z)?"
    r"|\b\d+(?:\.\d+)?(?= (?:s|ms|us|µs)\b)"
    r"|(?<=127\.0\.0\.1:)\d+"
)
_TOKENS = re.compile(r"[\w.:+-]+|\s+|.")


class Block(NamedTuple):
    """A Python block of a page; `printed` is the output that stands below it, if one does."""

    page: Path
    line: int
    code: str
    printed: str | None
    end: int

    @property
    def name(self) -> str:
        """Page and line, as the id of a test."""
        return f"{self.page.parent.name}-{self.page.stem}-line-{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the Python blocks of a page."""
    text = page.read_text("utf-8")
    for match in _BLOCK.finditer(text):
        yield Block(page, text[: match.start()].count("\n") + 2, match["code"], match["printed"], match.end())


def run(code: str) -> str:
    """Run a block by itself, with keys and addresses of a fresh service in the environment; return what it prints."""
    with (
        LocalLumnis(engine=OfflineEngine(step_delay=0)) as local,
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(StringIO()) as printed,
    ):
        for name, value in local.environment().items():
            patch.setenv(name, value)
        patch.setattr("opentelemetry.trace._TRACER_PROVIDER", None)  # a block may set it
        exec(compile(code, "<document>", "exec"), {"__name__": "__main__"})
    return tidy(printed.getvalue())


def tidy(printed: str) -> str:
    """Return an output without spaces at line ends and empty lines around it."""
    lines = "\n".join(line.rstrip() for line in printed.splitlines()).strip("\n")
    return f"{lines}\n" if lines else ""


def agrees(shown: str, printed: str) -> bool:
    """Whether an output is the one that a page shows; ``...`` stands for anything, on a line of its own for lines."""
    lines = (
        "(?:.*\n)*?" if line == _ANYTHING else ".*?".join(map(re.escape, line.split(_ANYTHING))) + "\n"
        for line in shown.splitlines()
    )
    return re.fullmatch("".join(lines), printed) is not None


def shown(outputs: Sequence[str]) -> str:
    """Return what a page shows of a block that printed these, with ``...`` for what differs and for what is too long."""
    first, *others = (_CHANGING.sub(_ANYTHING, output) for output in outputs)
    for other in others:
        first = _common(first, other)
    lines = first.splitlines()
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_FIRST], _ANYTHING, *lines[-_LAST:]]
    lines = [f"{line[: COLUMNS - 3]}..." if len(line) > COLUMNS else line for line in lines]
    return "".join(f"{line}\n" for at, line in enumerate(lines) if line != _ANYTHING or lines[at - 1 : at] != [line])


def _common(one: str, other: str) -> str:
    """Keep the lines that both have, in one another's order; lines in the same place keep what they share."""
    mine, theirs, kept = one.splitlines(), other.splitlines(), []
    for tag, start, end, other_start, other_end in difflib.SequenceMatcher(None, mine, theirs, False).get_opcodes():
        if tag == "equal":
            kept += mine[start:end]
        elif end - start == other_end - other_start:
            kept += map(_common_line, mine[start:end], theirs[other_start:other_end])
        else:
            kept.append(_ANYTHING)
    return "\n".join(kept)


def _common_line(one: str, other: str) -> str:
    mine, theirs = _TOKENS.findall(one), _TOKENS.findall(other)
    matcher = difflib.SequenceMatcher(None, mine, theirs, False)
    line = "".join("".join(mine[i:j]) if tag == "equal" else _ANYTHING for tag, i, j, _, _ in matcher.get_opcodes())
    return re.sub(r"(?:\.\.\.\s*){2,}", _ANYTHING, line)


def main() -> int:
    """Write the outputs; the exit status is the number of blocks that failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.documents", description=__doc__)
    parser.add_argument("pages", nargs="*", type=Path, help="default: all pages")
    parser.add_argument("--missing", action="store_true", help="only blocks that have no output yet")
    chosen = parser.parse_args()
    pages = [page.resolve() for page in chosen.pages] or PAGES
    return sum(_write(page, missing=chosen.missing) for page in pages if page.parent.name != "reference")


def _write(page: Path, *, missing: bool) -> int:
    """Write the outputs of a page from its last block to its first; return the number of blocks that failed."""
    text, failed = page.read_text("utf-8"), 0
    for block in reversed(list(blocks_of(page))):
        if "print" not in block.code or (missing and block.printed is not None):
            continue
        try:
            outputs = [_run_afresh(block.code) for _ in range(_RUNS)]
        except Exception as error:  # noqa: BLE001 - the other blocks can still be written
            print(f"{block.name}: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
            failed += 1
            continue
        begin = block.end if block.printed is None else block.end - len(f"\n```text\n{block.printed}```\n")
        output = shown(outputs)
        text = text[:begin] + (f"\n```text\n{output}```\n" if output.strip(".\n ") else "") + text[block.end :]
    page.write_text(text, "utf-8")
    return failed


def _run_afresh(code: str) -> str:
    asyncio.set_event_loop(None)  # blocking calls of LlamaIndex leave one behind
    return run(code)


if __name__ == "__main__":
    sys.exit(main())
