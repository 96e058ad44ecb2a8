"""Rows of data sets: every form that they come in, their keys, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.local import LocalLumnis
from lumnisai_core.lucidic import AsyncClient, Client
from lumnisai_integrations.experiments import Row, awrite_dataset, read_rows, write_dataset

ROWS = [{"id": 1, "question": "When?", "expected": "now"}, {"id": 2, "question": "Wo, äh?", "expected": None}]
READ = (Row("1", {"question": "When?"}, "now"), Row("2", {"question": "Wo, äh?"}, None))


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def test_rows_are_the_same_in_every_form(tmp_path: Path) -> None:
    """Lists, generators, data frames, JSONL with a mark at its beginning, JSON; CSV knows texts only."""
    lines = "\n".join(json.dumps(row) for row in ROWS)
    assert read_rows(ROWS) == READ
    assert read_rows(dict(row) for row in ROWS) == READ
    assert read_rows(pd.DataFrame(ROWS)) == READ
    assert read_rows(READ) == READ
    assert read_rows(written(tmp_path / "a.jsonl", f"\ufeff{lines}\n\n")) == READ
    assert read_rows(str(written(tmp_path / "a.json", json.dumps(ROWS)))) == READ
    csv = written(tmp_path / "a.csv", 'id,question,expected\n1,When?,now\n2,"Wo, äh?",\n')
    assert read_rows(csv) == (READ[0], Row("2", {"question": "Wo, äh?"}, ""))
    assert read_rows(written(tmp_path / "a.tsv", "id\tquestion\n1\tWhen?\n")) == (Row("1", {"question": "When?"}),)
    assert read_rows(["When?"])[0].input == {"input": "When?"}


def test_keys_stay_when_rows_are_added_or_moved() -> None:
    """Without ids they come from the fields; the expected answer may change, and equal rows differ."""
    rows = [{"question": "a", "expected": 1}, {"question": "b"}, {"question": "a"}]
    keys = [row.key for row in read_rows(rows)]
    assert keys[2] == f"{keys[0]}-2"
    assert [row.key for row in read_rows([{"question": "c"}, *rows])][1:] == keys
    assert [row.key for row in read_rows([{"question": "b", "expected": 5}])] == [keys[1]]


def test_key_and_expected_are_chosen() -> None:
    """By the names of the fields."""
    rows = read_rows([{"name": "x", "id": 5, "right": [1]}], key="name", expected="right")
    assert rows == (Row("x", {"id": 5}, [1]),)


def test_missing_values_of_data_frames_are_none() -> None:
    """NaN, NaT and NA; numbers of NumPy may be keys."""
    frame = pd.DataFrame(
        {"id": np.array([1, 2]), "a": [np.nan, 1.5], "b": [pd.NaT, pd.Timestamp("2026-01-01")], "c": [pd.NA, "x"]}
    )
    first, second = read_rows(frame)
    assert (first.key, first.input) == ("1", {"a": None, "b": None, "c": None})
    assert second.input["a"] == 1.5


REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    ([], {}, "data has no rows"),
    ({"a": 1}, {}, "data must be a list of dicts or texts"),
    (5, {}, "data must be a list of dicts or texts"),
    ([{"a": 1}, 5], {}, "row 2 must be a dict"),
    ([{1: "a"}], {}, "row 1 must be a dict with texts as keys"),
    ([{"id": 1}, {"id": "1"}], {}, "the key '1' belongs to more than one row"),
    ([{"id": None, "a": 1}], {"key": "id"}, "row 1 must have a non-empty text or an integer in the field 'id'"),
    ("missing.csv", {}, "cannot be read: No such file"),
    ("data.xlsx", {}, r"must be a file .jsonl, .csv, .tsv or .json"),
]


@pytest.mark.parametrize(("data", "options", "message"), REFUSED)
def test_other_data_is_refused(data: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        read_rows(data, **options)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"a": 1}\n{"a": ', "line 2 of .* must be a JSON object"),
        ("a.jsonl", b"[1]\n", "line 1 of .* must be a JSON object, got list"),
        ("a.json", b'{"a": 1}', "must be a JSON array, got dict"),
        ("a.json", b"[", "is damaged"),
        ("a.csv", b"a,b\n1\n", "line 2 of .* has another number of fields than the head"),
        ("a.csv", b"a,b\n1,2,3\n", "line 2 of .* has another number of fields than the head"),
        ("a.csv", b'a\n"x', "is damaged"),
        ("a.csv", b"a\n\xff\n", "must be UTF-8"),
        ("a.csv", b"", "data has no rows"),
    ],
)
def test_damaged_files_are_refused(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    """With the line that is wrong."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValidationError, match=message):
        read_rows(tmp_path / name)


async def test_data_sets_of_lucidic_go_both_ways(service: LocalLumnis) -> None:
    """Keys become names of items; items are rows with their ids as keys. A name that is taken is refused."""
    known: dict[str, Any] = {
        "api_key": service.lucidic.api_key,
        "agent_id": service.lucidic.agent_id,
        "base_url": service.lucidic.base_url,
    }
    with Client(**known) as client:
        dataset_id = write_dataset(client, "tides", ROWS, description="Questions")
        dataset = client.datasets.get(dataset_id)
        rows = read_rows(dataset)
        assert [(row.input, row.expected) for row in rows] == [(row.input, row.expected) for row in READ]
        assert [row.datasetitem_id for row in rows] == [row.key for row in rows]
        assert [item.name for item in dataset.items] == ["1", "2"]
        assert dataset.description == "Questions"
    async with AsyncClient(**known) as other:
        again = await awrite_dataset(other, "tides again", ["When?"])
        assert [row.input for row in read_rows(await other.datasets.get(again))] == [{"input": "When?"}]
