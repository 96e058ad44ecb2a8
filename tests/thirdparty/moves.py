"""An engine that plays the agent's part: each run makes one move, written in the form that the run asks for.

Tests say what the agent does (answer, call tools, fill in an object), never how a request for it is written: that
is read from the run's ``response_format``, or from the tools and formats that reach a provider.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lumnisai_core.local import RunReport, RunRequest, RunResult, Script, ScriptedEngine, Step

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Says:
    """The agent answers in words."""

    text: str


@dataclass(frozen=True)
class Gives:
    """The agent fills in the object that it was asked for."""

    value: Any


@dataclass(frozen=True)
class Calls:
    """The agent asks for calls of tools, each a name and arguments."""

    calls: tuple[tuple[str, Mapping[str, Any]], ...]


Move = Says | Gives | Calls
#: What a test hands in: moves in order of the runs, or a function from the run to its move.
Plan = Sequence[Move] | Callable[[RunRequest], Move]


def calls(*named: tuple[str, Mapping[str, Any]]) -> Calls:
    """Return a move that calls tools: ``calls(("add", {"a": 1, "b": 2}))``."""
    return Calls(named)


def call(name: str, **args: Any) -> Calls:
    """Return a move that calls one tool: ``call("add", a=1, b=2)``."""
    return Calls(((name, args),))


class Player:
    """Plays moves and remembers the requests; a run for which no move is left fails."""

    #: A run of a specialized agent fails, as the platform has none of these tests' agents.
    specialized_agents = False

    def __init__(self, plan: Plan) -> None:
        self.requests: list[RunRequest] = []
        self._plan = plan
        self._lock = threading.Lock()

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        with self._lock:
            self.requests.append(request)
            number = len(self.requests)
        try:
            move = self._plan(request) if callable(self._plan) else self._plan[number - 1]
            script = _script(move, request.response_format)
        except (IndexError, LookupError) as error:
            script = Script(error=("NO_MOVE", f"Run {number} has no move ({error}): {last_text(request)[:200]!r}"))
        return await ScriptedEngine(script).run(request, report)


def last_text(request: RunRequest) -> str:
    """Return the text of a run's last message."""
    return request.messages[-1].content


def all_text(request: RunRequest) -> str:
    """Return the text of the whole conversation that a run continues."""
    return "\n".join(message.content for message in request.messages)


def _script(move: Move, schema: Schema | None) -> Script:
    thought = [Step("Thinking it over.")]
    if schema is None:
        if isinstance(move, Calls):
            raise LookupError("the run was offered no tools")
        text = move.text if isinstance(move, Says) else json.dumps(move.value)
        return Script(thought, output_text=text)
    value = written(move, schema)
    return Script(thought, output_text=json.dumps(value), structured_response=value)


def written(move: Move, schema: Schema) -> Any:
    """Return the object that a schema asks for: an envelope around calls or an answer, or the object itself.

    Raises:
        LookupError: The schema has no place for the move.
    """
    place = _envelope(schema)
    if place is None:
        if isinstance(move, Gives):
            return move.value
        raise LookupError(f"{move} does not fit {schema}")
    if isinstance(move, Calls):
        filled: dict[str, Any] = {"tool_calls": [{"name": name, "args": args} for name, args in move.calls]}
        chosen = place
    else:
        chosen = _with_content(schema)
        filled = {"content": move.text if isinstance(move, Says) else move.value}
    return {name: filled.get(name) for name in chosen["properties"]}


def tool_names(schema: Schema | None) -> list[str]:
    """Return the names of the tools that an envelope offers, in order; none if the schema is no envelope."""
    place = None if schema is None else _envelope(schema)
    return [] if place is None else [_only(item["properties"]["name"]) for item in _items(place["properties"])]


def _items(properties: Schema) -> list[Schema]:
    listed = properties["tool_calls"]
    for branch in (listed, *listed.get("anyOf", ()), *listed.get("oneOf", ())):
        if "items" in branch:
            items = branch["items"]
            return list(items.get("anyOf") or items.get("oneOf") or [items])
    return []


def _only(schema: Schema) -> str:
    return str(schema["const"] if "const" in schema else schema["enum"][0])


def _branches(schema: Schema) -> Iterator[Schema]:
    yield schema
    yield from schema.get("anyOf", ())


def _envelope(schema: Schema) -> Schema | None:
    return next((one for one in _branches(schema) if "tool_calls" in one.get("properties", {})), None)


def _with_content(schema: Schema) -> Schema:
    for one in _branches(schema):
        if "content" in one.get("properties", {}):
            return one
    raise LookupError("the run must call tools and has no place for an answer")
