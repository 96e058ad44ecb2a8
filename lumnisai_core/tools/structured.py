"""Structured output: the object of a run with a ``response_format``. Pure."""

from __future__ import annotations

import json
import re
from typing import Any, Self

from lumnisai_core.exceptions import RunError, RunState


class StructuredOutputError(RunError, ValueError):
    """A run succeeded without the object it should return. Carries the run, with its text, in ``response``."""

    @classmethod
    def of_run(cls, response: RunState, message: str) -> Self:
        """Return the error of a run."""
        return cls(message, response_id=response.response_id, thread_id=response.thread_id, response=response)


def structured_value(response: RunState) -> dict[str, Any]:
    """Return the object of a run.

    The platform may leave ``structured_response`` empty; then the text is read as JSON, with or without a code fence.
    """
    value = object_of(response)
    if value is None:
        raise StructuredOutputError.of_run(
            response,
            f"Run {response.response_id} succeeded but returned no object for its response_format. Its text begins: "
            f"{(response.output_text or '')[:200]!r}. Simplify the schema or say more in response_format_instructions.",
        )
    return value


def object_of(response: RunState) -> dict[str, Any] | None:
    """Return the object of a run, or the one that its text consists of; None if there is none."""
    if response.structured_response is not None:
        return response.structured_response
    text = response.output_text or ""
    fenced = re.search(r"```(?:json)?\s*\n(.*?)```", text, re.DOTALL)
    for candidate in (text, fenced[1] if fenced else ""):
        try:
            value = json.loads(candidate)
        except ValueError:
            continue
        if isinstance(value, dict):
            return value
    return None


def used_part(value: dict[str, Any]) -> dict[str, Any]:
    """Return the object of a run that was offered tools without the part that is null; any other object as it is."""
    if value.keys() != {"tool_calls", "content"}:
        return value
    return {name: part for name, part in value.items() if part is not None and part != []}


def structured_text(response: RunState) -> str:
    """Return the object of a run as JSON text, as output parsers read it."""
    return json.dumps(structured_value(response), ensure_ascii=False)
