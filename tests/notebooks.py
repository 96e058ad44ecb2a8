"""Run the notebooks and compare their outputs with the stored ones: ``python -m tests.notebooks [--store] [NAME...]``.

Without ``LUMNISAI_API_KEY`` each notebook starts an embedded service, and a cell may take at most a minute. With
``--store`` the outputs are written into the notebooks, with fixed values in place of ids, times and addresses, and with
a digest of the code that they belong to; and all notebooks are written as pages into ``docs/notebooks``. Without it,
the texts of the outputs must be those that are stored; of a cell with the tag ``varies`` they may differ.
"""

from __future__ import annotations

import argparse
import base64
import difflib
import hashlib
import json
import os
import re
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from unittest import mock

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
CELL_SECONDS = 60  # far above what any needs, for machines that have other work

#: A notebook or a part of it, as in the file.
Node = dict[str, Any]


def main(arguments: list[str]) -> int:
    """Run the notebooks whose names contain one of those in the arguments (default: all), and print the results.

    Returns:
        The number of notebooks that failed.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.notebooks", description="Run the notebooks.")
    parser.add_argument("--store", action="store_true", help="write the outputs into the notebooks")
    parser.add_argument("names", nargs="*", metavar="NAME", help="part of a notebook's name; default: all")
    options = parser.parse_args(arguments)
    if options.store and os.environ.get("LUMNISAI_API_KEY"):
        parser.error("the stored outputs are those of the embedded service: unset LUMNISAI_API_KEY")
    chosen = [path for path in paths() if not options.names or any(name in path.name for name in options.names)]
    if not chosen:
        known = ", ".join(path.stem for path in paths())
        sys.stderr.write(f"No notebook matches {', '.join(options.names)}; the notebooks are {known}\n")
        return 1
    with clean_jupyter():
        failed = sum(not _run(path, store=options.store) for path in chosen)
    if options.store:
        write_pages()
    return failed


def paths() -> list[Path]:
    """Return the paths of all notebooks in order."""
    return sorted(FOLDER.glob("*.ipynb"))


@contextmanager
def clean_jupyter() -> Iterator[None]:
    """Isolate the notebooks from this user's Jupyter configuration and remove all files that Jupyter writes."""
    with tempfile.TemporaryDirectory() as folder:
        names = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR")
        with mock.patch.dict(os.environ, dict.fromkeys(names, folder)):
            yield


def _run(path: Path, *, store: bool) -> bool:
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]  # has no types
    stored = cast("Node", json.loads(json.dumps(notebook)))
    is_local = not os.environ.get("LUMNISAI_API_KEY")
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=CELL_SECONDS if is_local else None,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            extra_arguments=["--log-level=ERROR"],  # without the warning that the kernel's connection is not encrypted
            resources={"metadata": {"path": folder}},
        )
        began = time.monotonic()
        try:
            client.execute()
        except (CellExecutionError, CellTimeoutError) as error:
            sys.stdout.write(f"{path.name}: FAILED\n{error}\n")
            return False
    took = time.monotonic() - began
    notebook.metadata = stored["metadata"]
    made = with_fixed_values(cast("Node", notebook))
    if store:
        made["metadata"]["lumnisai"] = {"outputs_of": digest_of(made)}
        path.write_text(json.dumps(made, indent=1, ensure_ascii=False, sort_keys=True) + "\n", "utf-8")
    changes = [] if store or not is_local else differences(stored, made)
    for change in changes:
        sys.stdout.write(change)
    outcome = "the outputs are not those that are stored" if changes else "stored" if store else "ok"
    sys.stdout.write(f"{path.name}: {outcome}, {took:.1f} s\n")
    sys.stdout.flush()
    return not changes


def digest_of(notebook: Node) -> str:
    """Return the digest of a notebook's code, by which stored outputs are known to be those of this code."""
    sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()[:16]


# Fixed values

_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_LONG_ID = re.compile(r"(?<![0-9A-Za-z])(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{24,64}(?![0-9A-Za-z])")

#: What differs from one run to the next, and what is stored instead.
FIXED: list[tuple[re.Pattern[str], str]] = [
    (re.compile(r"https?://(?:127\.0\.0\.1|localhost)(?::\d+)?"), "https://service.example"),
    (re.compile(r"\b20\d\d-\d\d-\d\d([T ])\d\d:\d\d:\d\d(?:\.\d+)?"), r"2026-01-01\g<1>09:00:00"),
    (re.compile(r"\b\d+(?:\.\d+)? s\b"), "0.5 s"),
    (re.compile(r"\b[\d,.]+/s\b"), "20.0/s"),
    (re.compile(r"(\d errors?, (?:[\d,]+ \+ [\d,]+ tokens, )?)\d+:\d\d"), r"\g<1>0:01"),
    (re.compile(r"\b0x[0-9a-f]{6,}\b"), "0x0"),
]


class FixedIds:
    """Ids by the order in which they appear, so that an id that appears twice is still the same."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        """Return a text with fixed ids, times and addresses."""
        for pattern, fixed in FIXED:
            text = pattern.sub(fixed, text)
        return _LONG_ID.sub(self._long, _UUID.sub(self._uuid, text))

    def _uuid(self, found: re.Match[str]) -> str:
        if found[0].startswith("00000000-0000-"):
            return found[0]
        return self._known.setdefault(found[0], f"00000000-0000-4000-8000-{len(self._known) + 1:012}")

    def _long(self, found: re.Match[str]) -> str:
        if found[0].startswith("00000000"):
            return found[0]
        return self._known.setdefault(found[0], f"{'0' * 22}{len(self._known) + 1:02}")


def with_fixed_values(notebook: Node) -> Node:
    """Return a notebook whose outputs have fixed values in place of ids, times and addresses."""
    fixed = FixedIds()
    cells = [_with_fixed_outputs(cell, fixed) if cell["cell_type"] == "code" else cell for cell in notebook["cells"]]
    return {**notebook, "cells": [{**cell, "source": _lines(cell["source"])} for cell in cells]}


def _with_fixed_outputs(cell: Node, fixed: Callable[[str], str]) -> Node:
    return {**cell, "outputs": [_fixed_output(output, fixed) for output in cell["outputs"]]}


def _fixed_output(output: Node, fixed: Callable[[str], str]) -> Node:
    if output["output_type"] == "stream":
        return {**output, "text": _lines(fixed("".join(output["text"])))}
    if "data" not in output:
        return output
    data = {
        kind: _lines(_with_fixed_seconds(fixed("".join(content)))) if kind.startswith("text/") else content
        for kind, content in output["data"].items()
        # The plain text of a table or picture adds nothing to a stored notebook.
        if kind != "text/plain" or len(output["data"]) == 1
    }
    return {**output, "data": data}


_TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)
_ROW = re.compile(r"<tr\b.*?</tr>", re.DOTALL)
_CELL = re.compile(r"(<t[hd]\b[^>]*>)(.*?)(</t[hd]>)", re.DOTALL)
_SECONDS = re.compile(r"second|\bs$")


def _with_fixed_seconds(html: str) -> str:
    """Return HTML whose tables have a fixed number in each column of seconds."""
    return _TABLE.sub(_fixed_table, html)


def _fixed_table(table: re.Match[str]) -> str:
    columns: set[int] = set()  # positions of those of seconds, of which the rows of the head come first

    def fixed_row(row: re.Match[str]) -> str:
        cells = list(_CELL.finditer(row[0]))
        if "<td" not in row[0]:
            columns.update(place for place, cell in enumerate(cells) if _SECONDS.search(cell[2]))
        places = iter(range(len(cells)))
        return _CELL.sub(lambda cell: _fixed_cell(cell, is_fixed=next(places) in columns), row[0])

    return _ROW.sub(fixed_row, table[0])


def _fixed_cell(cell: re.Match[str], *, is_fixed: bool) -> str:
    is_number = re.fullmatch(r"\s*\d+(\.\d+)?\s*", cell[2])
    return f"{cell[1]}0.5{cell[3]}" if is_fixed and is_number else cell[0]


def _lines(text: str | list[str]) -> list[str]:
    return "".join(text).splitlines(keepends=True)


# Comparison


def differences(stored: Node, made: Node) -> list[str]:
    """Return the differences between the texts of stored outputs and those of new ones, a text for each cell."""
    changes = []
    for old, new in zip(stored["cells"], made["cells"], strict=True):
        if old["cell_type"] == "code" and "varies" not in old["metadata"].get("tags", ()):
            lines = difflib.unified_diff(_texts(old), _texts(new), f"{old['id']} (stored)", old["id"], n=1)
            if change := "".join(lines):
                changes.append(change)
    return changes


def _texts(cell: Node) -> list[str]:
    """Return the lines of a cell's outputs, of each output in all of its forms; a picture is only named."""
    found = []
    for output in cell["outputs"]:
        forms = {"stream": output["text"]} if output["output_type"] == "stream" else output.get("data", {})
        for kind in sorted(forms):
            shown = _lines(forms[kind]) if kind.startswith(("text/", "stream")) else []
            found += [f"{kind}:\n", *(line.rstrip("\n") + "\n" for line in shown)]
    return found


# Pages of the documents

PAGES = FOLDER.parent / "docs" / "notebooks"


def page_of(notebook: Node, name: str) -> tuple[str, dict[str, bytes]]:
    """Return a notebook as a page of the documents, and the pictures of the page by their names.

    Args:
        notebook: The notebook with its stored outputs.
        name: Name of the notebook, without its ending.
    """
    pictures: dict[str, bytes] = {}
    parts = [f"<!-- Made of notebooks/{name}.ipynb by `make notebooks ARGS=--store`. -->"]
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```py\n{source}\n```")  # not `python`: the blocks are no programs of their own
        for output in cell["outputs"]:
            picture = output.get("data", {}).get("image/png")
            if picture is None:
                parts.append(_shown(output))
            else:
                file = f"{name}-{len(pictures) + 1}.png"
                pictures[file] = base64.b64decode(picture)
                parts.append(f"![Plot of the cell above]({file})")
    return "\n\n".join(parts) + "\n", pictures


def _shown(output: Node) -> str:
    """Return an output as Markdown."""
    data = output.get("data", {})
    if "text/html" in data:
        html = re.sub(r"<style\b.*?</style>", "", "".join(data["text/html"]), flags=re.DOTALL)
        html = re.sub(r"<(table|tr|th|td)\b[^>]*>", r"<\1>", html)  # the site has its own looks of tables
        return "\n".join(line for line in html.splitlines() if line.strip())
    if "text/markdown" in data:
        return "\n".join(f"> {line}".rstrip() for line in "".join(data["text/markdown"]).splitlines())
    text = "".join(data.get("text/plain") or output.get("text", ""))
    lines = "\n".join(piece for line in text.splitlines() for piece in _wrapped(line))
    return f"```text\n{lines}\n```"


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, 88, subsequent_indent="    ", replace_whitespace=False) or [""]


def stale_pages() -> list[str]:
    """Return the names of the pages and pictures that are not those of the notebooks."""
    expected = _pages()
    present = {path.name: path.read_bytes() for path in PAGES.glob("*")}
    return sorted(name for name in expected | present if expected.get(name) != present.get(name))


def write_pages() -> None:
    """Write the pages of all notebooks, and remove what is no page of any."""
    for name in stale_pages():
        content = _pages().get(name)
        if content is None:
            (PAGES / name).unlink()
        else:
            PAGES.mkdir(exist_ok=True)
            (PAGES / name).write_bytes(content)


def _pages() -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for path in paths():
        page, pictures = page_of(json.loads(path.read_text("utf-8")), path.stem)
        files |= {f"{path.stem}.md": page.encode(), **pictures}
    return files


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
