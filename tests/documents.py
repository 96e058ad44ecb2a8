"""Python blocks of the documents, and the outputs below them.

``python -m tests.documents`` runs the blocks and writes what each prints into a block of `text` below it; what differs
between runs becomes ``...``. Paths limit it to some pages, ``--missing`` to blocks without an output.
"""

from __future__ import annotations

import argparse
import asyncio
import difflib
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest
from opentelemetry.util._once import Once

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
    r"|\d+(?:\.\d+)?(?=/s,)|(?<= errors, )\d+:\d\d"
)
#: A line about unfinished work: how many of them are printed depends on the machine.
_UNFINISHED = re.compile(r"^\[[#.]+\] .* left\n", re.MULTILINE)
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


class Runner:
    """Runs blocks, each as a program of its own. Those of a page share a fresh service, as they do for a reader."""

    def __init__(self) -> None:
        self._page: Path | None = None
        self._done: set[int] = set()
        self._opened = ExitStack()

    def run(self, block: Block) -> str:
        """Run a block, after those above it on its page; return what it prints."""
        if block.page != self._page:
            self.close()
            self._page = block.page
            self._local = self._opened.enter_context(LocalLumnis(engine=OfflineEngine(step_delay=0)))
        for other in blocks_of(block.page):
            if other.line < block.line and other.line not in self._done:
                self._run(other)
        return self._run(block)

    def _run(self, block: Block) -> str:
        self._done.add(block.line)
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as printed:
            for name, value in self._local.environment().items():
                patch.setenv(name, value)
            patch.setattr("opentelemetry.trace._TRACER_PROVIDER", None)  # a block may set it, which is possible once
            patch.setattr("opentelemetry.trace._TRACER_PROVIDER_SET_ONCE", Once())
            patch.setattr("lumnisai_core.lucidic.tracing._tracing", None)  # sessions of the blocks before
            exec(compile(block.code, "<document>", "exec"), {"__name__": "__main__"})
        return tidy(printed.getvalue())

    def close(self) -> None:
        """Close the service of the latest page."""
        self._opened.close()
        self._page, self._done = None, set()


def tidy(printed: str) -> str:
    """Return an output without spaces at line ends, empty lines around it and lines about unfinished work."""
    lines = _UNFINISHED.sub("", "\n".join(line.rstrip() for line in printed.splitlines())).strip("\n")
    return f"{lines}\n" if lines else ""


def agrees(shown: str, printed: str) -> bool:
    """Whether an output is the one that a page shows; ``...`` stands for anything, on a line of its own for lines."""
    lines = (
        "(?:.*\n)*?" if line == _ANYTHING else ".*?".join(map(re.escape, line.split(_ANYTHING))) + "\n"
        for line in shown.splitlines()
    )
    return re.fullmatch("".join(lines), printed) is not None


def shown(outputs: Sequence[str]) -> str:
    """Return what a page shows of some outputs of a block, with ``...`` for what differs and for what is too long."""
    first, *others = (_CHANGING.sub(_ANYTHING, output) for output in outputs)
    for other in others:
        first = _common(first, other)
    lines = first.splitlines()
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_FIRST], _ANYTHING, *lines[-_LAST:]]
    lines = [f"{line[: COLUMNS - 3].rstrip('.')}..." if len(line) > COLUMNS else line for line in lines]
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
    """Write the outputs of a page; return the number of blocks that failed."""
    blocks = list(blocks_of(page))
    outputs: dict[int, list[str]] = {block.line: [] for block in blocks}
    failed = set()
    for _ in range(_RUNS):
        with closing(Runner()) as runner:
            for block in blocks:
                asyncio.set_event_loop(None)  # blocking calls of LlamaIndex leave one behind
                try:
                    outputs[block.line].append(runner.run(block))
                except Exception as error:  # noqa: BLE001 - the other blocks can still be written
                    print(f"{block.name}: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
                    failed.add(block.line)
    text = page.read_text("utf-8")
    for block in reversed(blocks):
        if "print" not in block.code or block.line in failed or (missing and block.printed is not None):
            continue
        begin = block.end if block.printed is None else block.end - len(f"\n```text\n{block.printed}```\n")
        output = shown(outputs[block.line])
        text = text[:begin] + (f"\n```text\n{output}```\n" if output.strip(".\n ") else "") + text[block.end :]
    page.write_text(text, "utf-8")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
