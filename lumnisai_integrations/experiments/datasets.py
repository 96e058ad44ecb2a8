"""Rows of a data set: lists of dicts, data frames, JSONL, CSV and JSON files, data sets of Lucidic."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TypeAlias

from lumnisai_core.exceptions import LumnisAIError, ValidationError
from lumnisai_core.lucidic import AsyncClient, Client, Dataset
from lumnisai_integrations.experiments.calls import Calls, blocking
from lumnisai_integrations.experiments.plain import digest, plain

#: Anything that rows are read from.
Data: TypeAlias = "Iterable[Mapping[str, Any] | str | Row] | Dataset | str | PathLike[str] | Any"

#: The field of rows that are plain texts.
TEXT = "input"

_KEY = "id"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a data set.

    Args:
        key: What identifies the row, also in another order or among other rows.
        input: Its fields, without key and expected answer.
        expected: The expected answer; None if there is none.
        datasetitem_id: The item of a data set of Lucidic that it is.
    """

    key: str
    input: Mapping[str, Any]
    expected: Any = None
    datasetitem_id: str | None = None


def read_rows(data: Data, *, key: str | None = None, expected: str = "expected") -> tuple[Row, ...]:
    """Read the rows of a data set.

    Args:
        data: A list of dicts, or of texts, which become the field ``input``; a pandas data frame; the path of a file
            ``.jsonl``, ``.csv``, ``.tsv`` or ``.json``; a data set of Lucidic (``client.datasets.get(id)``).
        key: The field that identifies a row. Default: ``id`` if every row has one, else a fingerprint of the fields.
        expected: The field with the expected answer. Rows need not have it.

    Returns:
        The rows, in the order of the data.

    Raises:
        ValidationError: The data has no rows, is of another kind or cannot be read, or two rows have the same key.
    """
    if isinstance(data, Dataset):
        items = data.items
        rows = [Row(one.datasetitem_id, one.input, one.expected_output, one.datasetitem_id) for one in items]
    else:
        listed = list(_listed(data))
        if listed and all(isinstance(one, Row) for one in listed):
            rows = listed
        else:
            rows = _keyed([_mapping(number, one) for number, one in enumerate(listed, 1)], key, expected)
    if not rows:
        raise ValidationError("data has no rows: an experiment needs at least one.")
    twice = [name for name, times in Counter(row.key for row in rows).items() if times > 1]
    if twice:
        raise ValidationError(f"the key {twice[0]!r} belongs to more than one row: keys must differ.")
    return tuple(rows)


def write_dataset(client: Client | AsyncClient, name: str, data: Data, *, description: str | None = None) -> str:
    """Store rows as a data set of Lucidic, which :func:`read_rows` reads back.

    Args:
        client: A client of Lucidic.
        name: Name of the data set, which no other one of the agent has.
        data: Rows as :func:`read_rows` takes them.
        description: What the data set is for.

    Returns:
        The id of the data set.

    Raises:
        ValidationError: The rows cannot be read, or the name is taken.
        LumnisAIError: The service cannot be reached or refuses a row; the data set is then removed again.
    """
    return blocking(lambda: awrite_dataset(client, name, data, description=description))


async def awrite_dataset(client: Client | AsyncClient, name: str, data: Data, *, description: str | None = None) -> str:
    """Store rows as a data set of Lucidic; see :func:`write_dataset`."""
    rows, calls = read_rows(data), Calls(max_in_flight=1)
    try:
        dataset_id = str(await calls.call(client.datasets.create, name, description=description))
        try:
            for row in rows:
                add = client.datasets.create_item
                await calls.call(add, dataset_id, row.key, plain(row.input), expected_output=plain(row.expected))
        except LumnisAIError:
            await calls.call(client.datasets.delete, dataset_id)
            raise
        return dataset_id
    finally:
        calls.close()


def _listed(data: Data) -> Iterable[Any]:
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return [{str(name): _cell(value) for name, value in one.items()} for one in data.to_dict("records")]
    if isinstance(data, str | PathLike):
        return _in_file(Path(fspath(data)))
    if isinstance(data, Mapping | bytes) or not isinstance(data, Iterable):
        raise ValidationError(
            "data must be a list of dicts or texts, a data frame, the path of a .jsonl, .csv, .tsv or .json file or a "
            f"data set of Lucidic, got {type(data).__name__}."
        )
    return data


def _cell(value: Any) -> Any:
    """Return a value of a data frame; NaN and NaT, which differ from themselves, are missing."""
    try:
        return None if value is None or bool(value != value) else value
    except (TypeError, ValueError):  # pandas.NA, arrays
        return None if type(value).__name__ == "NAType" else value


def _in_file(path: Path) -> Iterator[Any]:
    kind = path.suffix.lower()
    if kind not in (".jsonl", ".ndjson", ".csv", ".tsv", ".json"):
        raise ValidationError(f"data must be a file .jsonl, .csv, .tsv or .json, got {str(path)!r}.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if kind == ".json":
                yield from _array(path, json.load(file))
            elif kind in (".csv", ".tsv"):
                yield from _table(path, csv.DictReader(file, delimiter="\t" if kind == ".tsv" else ",", strict=True))
            else:
                yield from (_object(path, number, line) for number, line in enumerate(file, 1) if line.strip())
    except OSError as error:
        raise ValidationError(f"the data in {str(path)!r} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise ValidationError(f"the data in {str(path)!r} must be UTF-8: {error}.") from error
    except (csv.Error, json.JSONDecodeError) as error:
        raise ValidationError(f"the data in {str(path)!r} is damaged: {error}.") from error


def _array(path: Path, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValidationError(f"the data in {str(path)!r} must be a JSON array, got {type(value).__name__}.")
    return value


def _table(path: Path, rows: csv.DictReader[str]) -> Iterator[Any]:
    for row in rows:
        if None in row or None in row.values():
            raise ValidationError(f"line {rows.line_num} of {str(path)!r} has another number of fields than the head.")
        yield row


def _object(path: Path, number: int, line: str) -> Any:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValidationError(f"line {number} of {str(path)!r} must be a JSON object: {error}.") from error
    if not isinstance(value, dict):
        raise ValidationError(f"line {number} of {str(path)!r} must be a JSON object, got {type(value).__name__}.")
    return value


def _mapping(number: int, row: object) -> dict[str, Any]:
    if isinstance(row, str):
        return {TEXT: row}
    if not isinstance(row, Mapping) or not all(isinstance(name, str) for name in row):
        raise ValidationError(f"row {number} must be a dict with texts as keys or a text, got {row!r:.200}.")
    return dict(row)


def _keyed(rows: list[dict[str, Any]], key: str | None, expected: str) -> list[Row]:
    chosen = key or (_KEY if rows and all(_is_key(row.get(_KEY)) for row in rows) else None)
    found: list[Row] = []
    seen: Counter[str] = Counter()
    for number, row in enumerate(rows, 1):
        fields = {name: value for name, value in row.items() if name not in (chosen, expected)}
        if chosen is not None:
            if not _is_key(row.get(chosen)):
                raise ValidationError(
                    f"row {number} must have a non-empty text or an integer in the field {chosen!r}, "
                    f"got {row.get(chosen)!r}."
                )
            name = str(row[chosen])
        else:
            name = digest(fields)[:8]
            seen[name] += 1
            name = name if seen[name] == 1 else f"{name}-{seen[name]}"  # the same fields again
        found.append(Row(name, fields, row.get(expected)))
    return found


def _is_key(value: object) -> bool:
    is_number = (isinstance(value, int) or type(value).__module__ == "numpy") and not isinstance(value, bool | float)
    return is_number or (isinstance(value, str) and bool(value.strip()))
