"""Blocks of rows: columns in a dict, dicts in a list, data frames and Arrow tables, read as rows and widened. Pure.

pandas, NumPy and Arrow are not imported: who passes their objects has imported them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, cast

from lumnisai_core.exceptions import ValidationError

#: A row by column.
Row: TypeAlias = dict[str, Any]

#: Rows in a form that an engine hands over; the result has the same form.
BlockT = TypeVar("BlockT")


def rows_of(block: object, columns: Iterable[str] | None) -> list[Row]:
    """Return the rows of a block as dicts of Python's own values.

    Args:
        block: Dict of columns, list of dicts, pandas data frame, Arrow table or record batch.
        columns: The columns that are needed; None for all.

    Raises:
        ValidationError: It is not a block, its columns have different lengths, or a column is missing.
    """
    names = None if columns is None else list(dict.fromkeys(columns))
    if _is_frame(block):
        frame: Any = block
        _check_columns(names, list(frame.columns), rows=len(frame))
        return [*_as_rows(frame[names] if names is not None and len(frame) else frame)]
    if _is_arrow(block):
        table: Any = block
        _check_columns(names, table.schema.names, rows=table.num_rows)
        rows: list[Row] = (table.select(names) if names is not None and table.num_rows else table).to_pylist()
        return rows
    if isinstance(block, Mapping):
        return _rows_of_columns(block, names)
    if isinstance(block, Sequence) and not isinstance(block, str | bytes):
        if not all(isinstance(row, Mapping) for row in block):
            raise ValidationError("a list of rows must hold dicts from column to value only.")
        return [dict(row) for row in block]
    raise ValidationError(
        "a block must be a dict of columns, a list of dicts, a pandas data frame or an Arrow table, "
        f"not {type(block).__name__}."
    )


def widened(block: BlockT, results: Sequence[Row], names: Sequence[str]) -> BlockT:
    """Return a block with further columns, in the same form; the block itself is not changed.

    Objects stay objects in lists, dicts of lists and data frames. In Arrow tables and NumPy columns, which have one
    type for all blocks of a data set, every new column is text, and an object its JSON.

    Args:
        block: The block.
        results: For each row the values of the new columns.
        names: The new columns.
    """
    columns = {name: [row[name] for row in results] for name in names}
    built: Any = block
    if _is_frame(block):
        series = sys.modules["pandas"].Series
        return cast(
            "BlockT", built.assign(**{name: series(column, built.index, object) for name, column in columns.items()})
        )
    if _is_arrow(block):
        arrow = sys.modules["pyarrow"]
        for name, column in columns.items():
            built = built.append_column(
                arrow.field(name, arrow.string()), arrow.array(map(_as_text, column), arrow.string())
            )
        return cast("BlockT", built)
    if isinstance(block, Mapping):
        if any(map(_is_numpy, block.values())):
            numpy = sys.modules["numpy"]
            columns = {name: numpy.array([*map(_as_text, column)], dtype=object) for name, column in columns.items()}
        return {**block, **columns}  # type: ignore[return-value] # a dict of columns, too
    return [{**row, **{name: result[name] for name in names}} for row, result in zip(built, results, strict=True)]  # type: ignore[return-value]


def columns_of(block: object) -> list[str]:
    """Return the names of the columns of a block."""
    known: Any = block
    if _is_frame(block):
        return list(known.columns)
    if _is_arrow(block):
        return list(known.schema.names)
    return list(known) if isinstance(block, Mapping) else [*dict.fromkeys(name for row in known for name in row)]


def _rows_of_columns(block: Mapping[str, Any], names: list[str] | None) -> list[Row]:
    lengths = {name: _length(name, column) for name, column in block.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValidationError(f"the columns of a block must have the same length: {shown}.")
    rows = next(iter(lengths.values()), 0)
    _check_columns(names, list(block), rows=rows)
    chosen = list(block) if names is None or not rows else names
    columns = [block[name].tolist() if _is_numpy(block[name]) else block[name] for name in chosen]
    return [dict(zip(chosen, values, strict=True)) for values in zip(*columns, strict=True)]


def _length(name: str, column: Any) -> int:
    if isinstance(column, str | bytes | Mapping) or not hasattr(column, "__len__"):
        raise ValidationError(
            f"column {name!r} must be a list or an array, not {type(column).__name__}: pass rows as a list of dicts."
        )
    return len(column)


def _check_columns(needed: list[str] | None, known: Sequence[str], *, rows: int) -> None:
    missing = [name for name in needed or () if name not in known]
    if rows and missing:
        raise ValidationError(f"there is no column {missing[0]!r}: the columns are {', '.join(map(str, known))}.")


def _as_rows(frame: Any) -> list[Row]:
    rows: list[Row] = frame.to_dict("records")
    return rows


def _as_text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_frame(block: object) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(block, pandas.DataFrame)


def _is_arrow(block: object) -> bool:
    arrow = sys.modules.get("pyarrow")
    return arrow is not None and isinstance(block, arrow.Table | arrow.RecordBatch)


def _is_numpy(column: object) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(column, numpy.ndarray)
