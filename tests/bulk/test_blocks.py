"""Blocks in every form are read as rows and come back in the same form with further columns."""

from __future__ import annotations

import json
from typing import Any

import numpy
import pandas
import pytest

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations.bulk.blocks import rows_of, widened

ROWS = [{"id": 1, "text": "a"}, {"id": 2, "text": "b"}]
FORMS: dict[str, Any] = {
    "list": ROWS,
    "columns": {"id": [1, 2], "text": ["a", "b"]},
    "arrays": {"id": numpy.array([1, 2]), "text": numpy.array(["a", "b"], dtype=object)},
    "frame": pandas.DataFrame(ROWS, index=[7, 9]),
}
RESULTS: list[dict[str, Any]] = [{"answer": "A", "structured": {"x": 1}}, {"answer": None, "structured": None}]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_same_rows(form: str) -> None:
    """As values of Python, whatever types the form has."""
    rows = rows_of(FORMS[form], None)
    assert rows == ROWS
    assert type(rows[0]["id"]) is int


@pytest.mark.parametrize("form", FORMS)
def test_a_block_keeps_its_form_and_is_not_changed(form: str) -> None:
    """New columns come after the old ones; where there is none, it is None and not NaN."""
    block = FORMS[form]
    wider = widened(block, RESULTS, ["answer", "structured"])
    assert type(wider) is type(block)
    assert rows_of(block, None) == ROWS
    rows = rows_of(wider, None)
    assert [row["answer"] for row in rows] == ["A", None]
    objects = [
        json.loads(row["structured"]) if form == "arrays" and row["structured"] else row["structured"] for row in rows
    ]
    assert objects == [{"x": 1}, None]
    assert list(rows[0]) == ["id", "text", "answer", "structured"]


def test_a_frame_keeps_its_index() -> None:
    """Engines join by it."""
    wider = widened(FORMS["frame"], RESULTS, ["answer", "structured"])
    assert list(wider.index) == [7, 9]


@pytest.mark.parametrize("empty", [[], {}, {"id": [], "text": []}, pandas.DataFrame(), FORMS["frame"].head(0)])
def test_an_empty_block_is_widened_too(empty: Any) -> None:
    """Engines pass them to learn the columns."""
    assert rows_of(empty, ["id", "other"]) == []
    wider = widened(empty, [], ["answer"])
    assert isinstance(wider, list) or list(wider)[-1] == "answer"


WRONG: list[tuple[Any, str]] = [
    ("text", "a block must be a dict of columns"),
    (5, "not int"),
    (None, "not NoneType"),
    (["a"], "a list of rows must hold dicts"),
    ({"id": 1, "text": "a"}, "column 'id' must be a list or an array, not int"),
    ({"text": "ab"}, "not str"),
    ({"id": [1], "text": ["a", "b"]}, "id has 1, text has 2"),
    ({"id": [1]}, "there is no column 'text': the columns are id"),
    (pandas.DataFrame({"id": [1]}), "there is no column 'text'"),
]


@pytest.mark.parametrize(("block", "message"), WRONG)
def test_what_is_not_a_block_is_refused(block: Any, message: str) -> None:
    """The error says what was wrong."""
    with pytest.raises(ValidationError, match=message):
        rows_of(block, ["id", "text"])


def test_only_needed_columns_are_read() -> None:
    """Large columns, such as images, are not made objects of Python."""
    assert rows_of(FORMS["columns"], ["id", "id"]) == [{"id": 1}, {"id": 2}]
    assert rows_of(FORMS["frame"], ["text"]) == [{"text": "a"}, {"text": "b"}]
