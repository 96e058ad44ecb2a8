"""Every fault in every kind of request with every client, over real sockets."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.expectations import Cell, Lasting, Outcome, cells, markdown
from tests.faults.running import CLIENTS, World, run_cell

_PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A service and its proxy, shared by all cells; what exists already is kept out of the collections below."""
    with World() as made:
        gc.collect()
        gc.freeze()
        yield made


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("cell", "expected"), [pytest.param(*row, id=str(row[0])) for row in cells()])
def test_the_table_of_faults(world: World, cell: Cell, expected: Outcome, client: str) -> None:
    """The caller gets what the table says; no run is lost or made twice, no key shown, no foreign error raised."""
    done = run_cell(cell, CLIENTS[client], world)
    assert done.broken == []
    assert done.outcome == expected
    gc.collect()  # a connection that was left open warns here, and warnings are errors


@pytest.mark.parametrize("lasting", Lasting)
def test_the_page_shows_the_table(lasting: Lasting) -> None:
    """The documentation says what the tests above verify: `make faults` prints its tables."""
    assert markdown(lasting, {cell: str(outcome) for cell, outcome in cells()}) in _PAGE.read_text("utf-8")
