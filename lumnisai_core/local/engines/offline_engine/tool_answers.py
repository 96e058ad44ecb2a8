"""Answers to what tools returned: results quoted, and structures filled from them. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from lumnisai_core.local.engines.offline_engine.answers import Answer, answer_from, structured_from
from lumnisai_core.local.engines.offline_engine.question import Asked, understand
from lumnisai_core.local.engines.offline_engine.schema_fields import alternatives
from lumnisai_core.local.engines.offline_engine.sentences import rank, sentences, unique
from lumnisai_core.local.engines.offline_engine.tool_offer import Envelope
from lumnisai_core.local.engines.offline_engine.tool_turns import Exchange, ToolResult
from lumnisai_core.local.engines.samples.merging import Resolver
from lumnisai_core.local.web.json_schema import compile_schema

_SHORT = 600
_FIRST = 3


def asked_about(exchange: Exchange, files: Iterable[Mapping[str, Any]] = ()) -> Asked:
    """Return what is asked, tool turns apart."""
    about = understand(exchange.messages, files) if exchange.messages else Asked("", (), ())
    return Asked(about.question, about.earlier, about.material)


def _readable(text: str) -> str:
    """Write the values of a JSON text as lines of `name: value`; leave any other text as it is."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return "\n".join(_lines(value, "")) if isinstance(value, dict | list) else text


def _lines(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _lines(item, str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _lines(item, name)
    else:
        text = value if isinstance(value, str) else json.dumps(value)
        yield f"{name}: {text}" if name else text


def answer_from_results(asked: Asked, results: Sequence[ToolResult]) -> Answer:
    """Answer with what tools returned: short results as they are, of long ones what matches the question.

    Without results it is an ordinary answer.
    """
    if not results:
        return answer_from(asked)
    texts = [_told(result) for result in results]
    parts = unique(part for result in results for part in sentences(_readable(result.content)))
    hits = rank(parts, asked.question, len(parts)) if asked.question else []
    best = [parts[hit.index] for hit in hits]
    best += [part for part in parts if part not in best]
    text = "\n".join(texts)
    if len(text) > _SHORT:
        quoted = answer_from(Asked(asked.question, asked.earlier, tuple(map(_readable, texts)), asked.hints))
        text = quoted.text if quoted.best else " ".join(best[:_FIRST]) or text[:_SHORT]
    others = [part for material in asked.material for part in sentences(material)]
    return Answer(text, tuple(best), (*parts, *unique(others)))


def answer_value(answer: Answer, envelope: Envelope, results: Sequence[ToolResult] = ()) -> Any:
    """Return the answer in the form in which the envelope wants it: as a text, as what a tool returned, or filled in.

    Raises:
        EngineError: no value satisfies the schema of the answer.
    """
    schema = envelope.answer if isinstance(envelope.answer, dict) else {}
    check = compile_schema(dict(envelope.schema))
    for content in (answer.text, *_objects(results)):
        if check.is_valid({"content": content}):
            return {"content": content}
    content_schema = next(
        (flat["properties"]["content"] for flat in alternatives(schema, Resolver(schema))
         if "content" in flat.get("properties", {})), None,
    )  # fmt: skip
    if isinstance(content_schema, dict):
        definitions: dict[str, Any] = {key: schema[key] for key in ("$schema", "$defs", "definitions") if key in schema}
        value = {"content": structured_from(answer, {**definitions, **content_schema})}
        if check.is_valid(value):
            return value
    return structured_from(answer, schema)


def _told(result: ToolResult) -> str:
    name = result.name or "The tool"
    if result.failed:
        return f"{name} failed: {result.content}" if result.content.strip() else f"{name} failed."
    return result.content if result.content.strip() else f"{name} returned nothing."


def _objects(results: Sequence[ToolResult]) -> Iterator[Any]:
    for result in reversed(results):
        try:
            value = json.loads(result.content)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict | list) and not result.failed:
            yield value
