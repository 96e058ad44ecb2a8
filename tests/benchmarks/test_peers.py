"""What counts as one tree, and as complete, in the comparison with other tracing systems."""

from __future__ import annotations

from typing import Any

import pytest

from tests.benchmarks import page, peers


def span(name: str, parent: str | None, text: str = "") -> dict[str, Any]:
    return {"id": name, "parent": parent, "name": name, "text": text}


TREE = [
    span("graph", None),
    span("model", "graph", '{"input": 4711, "output": 815}'),
    span("find_order", "graph", "order-118"),
    span("OrderRetriever", "find_order", "Orders are sent within two days."),
]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], 0),
        (TREE, 1),
        ([*TREE, span("lost", None)], 2),
        ([*TREE, span("orphan", "nobody")], None),
        ([*TREE, span("model", "graph")], None),
    ],
)
def test_trees_are_counted_by_their_roots(spans: list[dict[str, Any]], expected: int | None) -> None:
    """A parent that is missing and an id that is used twice make no tree."""
    assert peers.trees(spans) == expected


def twice(spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    other = [{**one, "id": f"{one['id']} 2", "parent": one["parent"] and f"{one['parent']} 2"} for one in spans]
    return [*spans, *other]


def of(found: dict[str, list[dict[str, Any]]]) -> tuple[str, ...]:
    return peers.completeness(found, argument="order-118", document="within two days", tokens=(4711, 815))


def test_everything_is_complete() -> None:
    assert of({"invoke": TREE, "ainvoke": TREE, "batch": twice(TREE), "query": [span("query", None)]}) == (
        "4",
        "yes, yes, yes",
        "yes",
        "yes",
        "yes",
        "1",
        "yes",
    )


def test_what_is_missing_is_not_complete() -> None:
    """Models only, each a root of its own; nothing of the query engine."""
    models = [span("model", None), span("model 2", None)]
    assert of({"invoke": models, "ainvoke": models, "batch": twice(models), "query": []}) == (
        "2",
        "no, no, no",
        "no",
        "no",
        "no",
        "0",
        "no",
    )


def test_a_way_that_records_less_is_not_one_tree() -> None:
    assert of({"invoke": TREE, "ainvoke": TREE[:1], "batch": twice(TREE), "query": []})[1] == "no"


def test_the_page_shows_the_table_of_every_system() -> None:
    """Otherwise run `make peers ARGS=--write`."""
    text = page.PAGE.read_text("utf-8").partition(peers.BEGIN)[2].partition(peers.END)[0]
    lines = [line.strip("| \n").split(" | ") for line in text.splitlines() if line.startswith("|")]
    assert tuple(lines[0]) == peers.COSTS
    names = [line[0] for line in lines[2:] if line[0] in peers.NAMES.values()]
    assert names == [*peers.NAMES.values(), *(name for name in peers.NAMES.values() if name != "bare OpenTelemetry")]
