"""Stored notebooks: valid, with outputs of their code, and free of local paths and keys. `make notebooks` runs them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests import notebooks
from tests.documents import COLUMNS

PATHS = notebooks.paths()

#: Notebooks whose first cells prepare a comparison of which the first result is what there is to see.
BEGIN_WITH_DATA = {"06-experiments"}


@pytest.fixture(params=PATHS, ids=[path.stem for path in PATHS])
def path(request: pytest.FixtureRequest) -> Path:
    stored: Path = request.param
    return stored


def read(path: Path) -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return notebook


def cells_of(path: Path, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == kind]


def test_there_are_notebooks() -> None:
    assert [path.name[:2] for path in PATHS] == ["01", "02", "03", "04", "05", "06", "07", "08", "09", "10"]


def test_a_notebook_is_valid_and_uses_the_default_kernel(path: Path) -> None:
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)  # type: ignore[no-untyped-call]  # has no types
    nbformat.validate(notebook)
    assert {name: value for name, value in notebook.metadata.items() if name != "lumnisai"} == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }


def test_stored_outputs_belong_to_the_code(path: Path) -> None:
    notebook = read(path)
    stale = f"{path.name} has changed since its outputs were stored: run `make notebooks ARGS=--store`"
    assert notebook["metadata"].get("lumnisai") == {"outputs_of": notebooks.digest_of(notebook)}, stale
    cells = cells_of(path, "code")
    assert [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]


def test_stored_outputs_have_fixed_values(path: Path) -> None:
    """Neither ids and times of one run, nor warnings; a picture is not too large to be read in a browser."""
    notebook = read(path)
    assert notebooks.with_fixed_values(notebook) == notebook
    outputs = [output for cell in cells_of(path, "code") for output in cell["outputs"]]
    assert [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"] == []
    assert path.stat().st_size < 200_000


def test_the_pages_of_the_documents_are_those_of_the_notebooks() -> None:
    assert notebooks.stale_pages() == [], "run `make notebooks ARGS=--store`"


def test_a_notebook_begins_with_something_to_see(path: Path) -> None:
    outputs = [bool(cell["outputs"]) for cell in cells_of(path, "code")]
    assert outputs.index(True) == 0 or path.stem in BEGIN_WITH_DATA


def test_a_notebook_has_neither_paths_nor_keys(path: Path) -> None:
    text = path.read_text("utf-8")
    assert re.findall(r"/home/|/Users/|/root/|/tmp/|[A-Z]:\\\\|file://|127\.0\.0\.1|localhost", text) == []
    assert re.findall(r"api_key=[\"']|sk-\w+", text) == []


def test_a_notebook_runs_without_an_account(path: Path) -> None:
    """Without a key, the first cell starts an embedded service."""
    source = "".join(cells_of(path, "code")[0]["source"])
    assert 'if not os.environ.get("LUMNISAI_API_KEY"):\n    local = LocalLumnis(' in source


def test_the_code_of_a_notebook_compiles(path: Path) -> None:
    for cell in cells_of(path, "code"):
        compile("".join(cell["source"]), cell["id"], "exec", flags=0x2000)  # allows await at the top level


def test_the_code_of_a_notebook_is_narrow(path: Path) -> None:
    """As in the documents, no line is wider than 88 columns."""
    lines = [line for cell in cells_of(path, "code") for line in "".join(cell["source"]).splitlines()]
    assert [line for line in lines if len(line) > COLUMNS] == []


def test_a_code_block_of_a_notebook_begins_on_a_line_of_its_own(path: Path) -> None:
    """Otherwise it is displayed as part of the paragraph before it."""
    texts = ["".join(cell["source"]) for cell in cells_of(path, "markdown")]
    assert [text for text in texts if re.search(r"^.+```", text, re.MULTILINE)] == []


def test_a_notebook_becomes_a_page() -> None:
    """Code without a mark that would have it run as a program, outputs below; a picture is a file beside the page."""
    outputs: list[dict[str, Any]] = [
        {"output_type": "stream", "text": ["small\n", "x" * 89]},
        {
            "output_type": "display_data",
            "data": {"text/html": ["<style>p</style>\n", "\n", '<tr class="a"><td>a</td></tr>']},
        },
        {"output_type": "execute_result", "data": {"text/markdown": ["*b*\n", "\n", "c"]}},
        {"output_type": "display_data", "data": {"image/png": "UE5H"}},
    ]
    code = {"cell_type": "code", "id": "c-1", "metadata": {}, "source": ["1"], "outputs": outputs}
    cells = [{"cell_type": "markdown", "source": ["# Tides"]}, code]
    page, pictures = notebooks.page_of({"cells": cells}, "tides")
    text = f"```text\nsmall\n{'x' * 88}\n    x\n```"
    others = "<tr><td>a</td></tr>\n\n> *b*\n>\n> c\n\n![Plot of the cell above](tides-1.png)\n"
    assert page.split("\n\n", 1)[1] == f"# Tides\n\n```py\n1\n```\n\n{text}\n\n{others}"
    assert pictures == {"tides-1.png": b"PNG"}


FIRST, SECOND = "0a1b2c3d-0000-4000-8000-1234567890ab", "9f8e7d6c-0000-4000-8000-1234567890ab"
VARYING = [
    (f"run {FIRST}", "run 00000000-0000-4000-8000-000000000001"),
    (f"{SECOND} {FIRST} {SECOND}", "{0}1 {0}2 {0}1".format("00000000-0000-4000-8000-00000000000")),
    ("✓ 3 steps, 12.1 s", "✓ 3 steps, 0.5 s"),
    ("at 2026-11-28 13:42:47 UTC", "at 2026-01-01 09:00:00 UTC"),
    ("2026-11-28T13:42:47.123456Z", "2026-01-01T09:00:00Z"),
    ("40/40 rows, 1,025.3/s, 1 error, 10 + 20 tokens, 0:12", "40/40 rows, 20.0/s, 1 error, 10 + 20 tokens, 0:01"),
    ("http://127.0.0.1:40321/v1", "https://service.example/v1"),
    ("<object at 0x7f31c0ffee>", "<object at 0x0>"),
    ("call_0f1e2d3c4b5a69788796a5b4_0", "call_000000000000000000000001_0"),
    ("The office opens at 7:30, the water rises 4.1 m.",) * 2,
]


@pytest.mark.parametrize(("text", "fixed"), VARYING)
def test_ids_and_times_have_fixed_values(text: str, fixed: str) -> None:
    """The same id has the same value wherever it appears; and a fixed value stays as it is."""
    assert notebooks.FixedIds()(text) == fixed
    assert notebooks.FixedIds()(fixed) == fixed


@pytest.mark.parametrize("name", ["median seconds", "90 % within s"])
def test_tables_have_fixed_seconds_and_no_second_form(name: str) -> None:
    """Of a column about seconds every number is the same, other numbers stay; plain text beside HTML is left out."""
    head = f"<tr><th>runs</th><th>{name}</th><th>right</th></tr><tr><th>index</th><th></th><th></th></tr>"
    rows = f"<table>{head}{{}}</table>"
    row = "<tr><th>0</th><td>{}</td><td>7</td></tr>"
    html = rows.format(row.format("0.6213") + row.format("") + row.format("12"))
    output = {"output_type": "display_data", "metadata": {}, "data": {"text/html": html, "text/plain": "0.6213"}}
    cell = {"cell_type": "code", "id": "c-1", "metadata": {}, "source": "1", "outputs": [output]}
    (fixed,) = notebooks.with_fixed_values({"cells": [cell]})["cells"][0]["outputs"]
    assert fixed["data"] == {"text/html": [rows.format(row.format("0.5") + row.format("") + row.format("0.5"))]}


def notebook_of(*texts: str, tags: list[str] | None = None) -> dict[str, Any]:
    outputs = [{"output_type": "stream", "name": "stdout", "text": [text]} for text in texts]
    metadata = {} if tags is None else {"tags": tags}
    return {"cells": [{"cell_type": "code", "id": "c-1", "metadata": metadata, "source": ["1"], "outputs": outputs}]}


def test_other_outputs_than_the_stored_ones_are_shown() -> None:
    """As a difference of their texts; a cell may say that its outputs vary."""
    stored = notebook_of("small\n")
    assert notebooks.differences(stored, notebook_of("small\n")) == []
    (change,) = notebooks.differences(stored, notebook_of("large\n"))
    assert "-small\n+large\n" in change
    assert "c-1 (stored)" in change
    assert notebooks.differences(stored, notebook_of()) != []
    assert notebooks.differences(notebook_of("small\n", tags=["varies"]), notebook_of("large\n")) == []
