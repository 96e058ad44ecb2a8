"""Arrow tables and record batches as blocks: further columns are text, whatever a block holds."""

from __future__ import annotations

from typing import Any

import pyarrow
import pytest

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations.bulk.blocks import rows_of, widened

TABLE = pyarrow.table({"id": [1, 2], "text": ["a", "b"]})
RESULTS: list[dict[str, Any]] = [{"answer": "A", "structured": {"x": 1}}, {"answer": None, "structured": None}]


@pytest.mark.parametrize("block", [TABLE, TABLE.to_batches()[0], TABLE.slice(0, 0), TABLE.slice(1, 1)])
def test_a_block_keeps_its_form(block: Any) -> None:
    """Blocks of one data set have one schema, also if one of them has no answers."""
    results = RESULTS[-block.num_rows :] if block.num_rows else []
    wider = widened(block, results, ["answer", "structured"])
    assert type(wider) is type(block)
    assert [str(field.type) for field in wider.schema] == ["int64", "string", "string", "string"]
    assert [row["structured"] for row in rows_of(wider, None)] == ['{"x": 1}', None][-block.num_rows :][
        : block.num_rows
    ]


def test_only_needed_columns_are_read() -> None:
    """A column that is missing is named."""
    assert rows_of(TABLE, ["text"]) == [{"text": "a"}, {"text": "b"}]
    with pytest.raises(ValidationError, match="there is no column 'other': the columns are id, text"):
        rows_of(TABLE, ["other"])
