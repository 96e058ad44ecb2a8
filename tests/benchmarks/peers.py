"""Tracing beside other systems, in one run: what calls cost in the caller's thread, and which spans are recorded.

The others are installed by ``make peers`` into an environment of their own, and each is measured in a process of its
own.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from tests.benchmarks.page import machine
from tests.benchmarks.rows import NOTHING
from tests.core.collector import Collector, collector
from tests.house import ROOT

PYTHON = Path(os.environ.get("PEERS_PYTHON", ROOT / ".venv" / "peers" / "bin" / "python"))
ABSENT = "Other tracing systems are left out: `make peers` installs them and measures them beside ours."

#: Marks around the tables on the page.
BEGIN, END = "<!-- written by: make peers ARGS=--write -->\n", "<!-- end of the peers -->\n"

#: Each system, and what it is called.
NAMES = {
    "lumnis": "this package",
    "opentelemetry": "bare OpenTelemetry",
    "openinference": "OpenInference",
    "langfuse": "Langfuse",
    "official": "official package",
}
_QUIET = {"LANGFUSE_TRACING_ENVIRONMENT": "default", "PYTHONWARNINGS": "ignore", "LUCIDIC_DEBUG": ""}

COSTS = ("System", "Decorated call", "Chain of four runs, added", "Share of the bare chain")
SPANS = (
    "System",
    "Agent: spans",
    "one tree by `invoke`, `ainvoke`, `batch`",
    "tool with arguments",
    "tokens",
    "documents",
    "Query engine: spans",
    "one tree",
)

Span: TypeAlias = dict[str, Any]
Lines: TypeAlias = list[tuple[str, ...]]


def is_installed() -> bool:
    """Say whether the environment of the others is there."""
    return PYTHON.exists()


def measure(rounds: int) -> dict[str, dict[str, Any]]:
    """Measure each system in a process of its own.

    Raises:
        RuntimeError: One of them failed.
    """
    return {name: _measured(name, rounds) for name in NAMES}


def _measured(name: str, rounds: int) -> dict[str, Any]:
    with collector() as service:
        command = [str(PYTHON), "-m", "tests.benchmarks.child_peers", name, service.base_url, str(rounds)]
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("LUCIDIC_", "OTEL_"))}
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment | _QUIET, timeout=600
        )
        if done.returncode:
            raise RuntimeError(f"{NAMES[name]} could not be measured:\n{done.stderr}")
        found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        recorded = found["recorded"].items()
        events = list(_events(service))
        return {
            **found["costs"],
            **{way: spans if _are_spans(spans) else _between(events, *spans) for way, spans in recorded},
        }


def _are_spans(found: Sequence[Any]) -> bool:
    return not found or isinstance(found[0], Mapping)


def _events(service: Collector) -> Iterator[tuple[float, Span]]:
    """Return what Lucidic's collector has, in the form of all systems, with the times when it began."""
    for body in service.bodies("/events", "POST"):
        payload = body["payload"]
        name = payload.get("function_name") or payload.get("request", {}).get("model") or body["type"]
        began = datetime.fromisoformat(body["occurred_at"]).timestamp()
        yield (
            began,
            {
                "id": body.get("client_event_id") or body.get("event_id"),
                "parent": body.get("client_parent_event_id") or body.get("parent_event_id"),
                "name": name,
                "text": json.dumps(payload, ensure_ascii=False),
            },
        )


def _between(events: Sequence[tuple[float, Span]], began: float, ended: float) -> list[Span]:
    return [span for moment, span in events if began <= moment <= ended]


# What was recorded


def trees(spans: Sequence[Span]) -> int | None:
    """Return the number of trees that spans form; None if a parent is not among them or two have one id."""
    known = {span["id"] for span in spans}
    parents = {span["parent"] for span in spans} - {None}
    if len(known) < len(spans) or not parents <= known:
        return None
    return sum(span["parent"] is None for span in spans)


def completeness(found: Mapping[str, Any], *, argument: str, document: str, tokens: Sequence[int]) -> tuple[str, ...]:
    """Write what a system recorded of the agent and of the query engine, a text for each column but the first.

    Args:
        found: Spans by the way that the agent was run, and those of the query engine as ``query``.
        argument: The argument of the tool call.
        document: Text of the document that the retriever finds.
        tokens: Counts of tokens that the model reports.
    """
    agent = found["invoke"]
    names = [span["name"] for span in agent]
    # A batch is two runs: two trees of the same spans.
    has_trees = [trees(found[way]) == count for way, count in (("invoke", 1), ("ainvoke", 1), ("batch", 2))]
    is_whole = len(found["ainvoke"]) == len(agent) and len(found["batch"]) == 2 * len(agent)
    tool = [span for span in agent if "find_order" in span["name"] and argument in span["text"]]
    documents = [span for span in agent if "OrderRetriever" in span["name"] and document in span["text"]]
    counted = [span for span in agent if all(str(count) in span["text"] for count in tokens)]
    query = found["query"]
    return (
        str(len(names)),
        ", ".join("yes" if one else "no" for one in has_trees) if is_whole and agent else "no",
        _yes(tool),
        _yes(counted),
        _yes(documents),
        str(len(query)),
        _yes(query and trees(query) == 1),
    )


def _yes(value: object) -> str:
    return "yes" if value else "no"


# Tables


def tables(found: Mapping[str, Mapping[str, Any]]) -> list[tuple[tuple[str, ...], Lines]]:
    """Write the tables: head and lines of costs, and of what was recorded."""
    costs: Lines = [
        (
            NAMES[name],
            NOTHING if one["decorated"] is None else f"{1e6 * one['decorated']:,.0f} µs",
            NOTHING if one["chain"] is None else f"+{1e6 * one['chain']:,.0f} µs",
            NOTHING if one["chain"] is None else f"+{100 * one['chain'] / one['bare chain']:.0f} %",
        )
        for name, one in found.items()
    ]
    spans: Lines = [
        (NAMES[name], *completeness(one, argument="order-118", document="within two days", tokens=(4711, 815)))
        for name, one in found.items()
        if name != "opentelemetry"
    ]
    return [(COSTS, costs), (SPANS, spans)]


def written(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Write the tables in Markdown, and where they were measured."""
    both = [(head, ("---",) * len(head), *lines) for head, lines in tables(found)]
    text = "\n".join("".join(f"| {' | '.join(line)} |\n" for line in one) for one in both)
    return f"Measured on {machine()}.\n\n{text}"
