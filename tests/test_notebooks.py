"""Stored notebooks: valid, without outputs, and free of local paths and keys. `make notebooks` runs them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests import notebooks
from tests.test_documents import COLUMNS

PATHS = notebooks.paths()


@pytest.fixture(params=PATHS, ids=[path.stem for path in PATHS])
def path(request: pytest.FixtureRequest) -> Path:
    stored: Path = request.param
    return stored


def cells_of(path: Path, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == kind]


def test_there_are_notebooks() -> None:
    assert [path.name[:2] for path in PATHS] == ["01", "02", "03", "04", "05", "06", "07", "08", "09", "10"]


def test_a_notebook_is_valid_and_uses_the_default_kernel(path: Path) -> None:
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)  # type: ignore[no-untyped-call]  # has no types
    nbformat.validate(notebook)
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }


def test_a_notebook_is_stored_without_outputs(path: Path) -> None:
    cells = cells_of(path, "code")
    assert [cell["id"] for cell in cells if cell["outputs"] or cell["execution_count"] or cell["metadata"]] == []


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
