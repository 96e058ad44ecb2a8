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
    """The agent fills in the object that the run requires."""

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
        except LookupError as error:
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
            raise LookupError("the run does not offer tools")
        text = move.text if isinstance(move, Says) else json.dumps(move.value)
        return Script(thought, output_text=text)
    value = written(move, schema)
    return Script(thought, output_text=json.dumps(value), structured_response=value)


def written(move: Move, schema: Schema) -> Any:
    """Return the object that a schema asks for: an envelope around calls or an answer, or the object itself.

    Raises:
        LookupError: The schema has no place for the move.
    """
    envelopes = [one for one in _branches(schema, schema) if "tool_calls" in one.get("properties", {})]
    if not envelopes:
        if isinstance(move, Gives):
            return move.value
        raise LookupError(f"the schema asks for an object, and the move is {move}")
    if isinstance(move, Calls):
        if unknown := {name for name, _ in move.calls} - set(tool_names(schema)):
            raise LookupError(f"the run was offered {tool_names(schema)}, not {sorted(unknown)}")
        filled: dict[str, Any] = {"tool_calls": [{"name": name, "args": args} for name, args in move.calls]}
        chosen = envelopes[0]
    else:
        filled = {"content": move.text if isinstance(move, Says) else move.value}
        chosen = next((one for one in _branches(schema, schema) if "content" in one.get("properties", {})), {})
        if not chosen:
            raise LookupError("the run must call tools and has no place for an answer")
    return {name: filled.get(name) for name in chosen["properties"]}


def tool_names(schema: Schema) -> list[str]:
    """Return the names of the tools that an envelope offers, in order; none if the schema is not an envelope."""
    return [
        name
        for envelope in _branches(schema, schema)
        for calls in _branches(envelope.get("properties", {}).get("tool_calls", {}), schema)
        for item in _branches(calls.get("items", {}), schema)
        if (name := _name(item, schema))
    ]


def _name(item: Schema, root: Schema) -> str | None:
    """Return the only name that an item takes; of an item that takes any, its title, which a model reads as well."""
    properties = item.get("properties", {})
    if not properties.keys() >= {"name", "args"}:
        return None
    name = _resolved(properties["name"], root)
    found = name.get("const") or next(iter(name.get("enum", ())), None) or item.get("title")
    return None if found is None else str(found)


def _branches(schema: Schema, root: Schema) -> Iterator[Schema]:
    """Yield a schema and its alternatives, references followed."""
    here = _resolved(schema, root)
    yield here
    for keyword in ("anyOf", "oneOf"):
        for one in here.get(keyword, ()):
            yield from _branches(one, root)


def _resolved(schema: Schema, root: Schema) -> Schema:
    found = schema
    while isinstance(reference := found.get("$ref"), str):
        found = root
        for part in reference.removeprefix("#").split("/")[1:]:
            found = found[part.replace("~1", "/").replace("~0", "~")]
    return found
