"""Turns of a conversation that the wire has no field for, as text: tool calls and their results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def tool_calls_text(content: str, calls: Sequence[Mapping[str, Any]]) -> str:
    """Write an assistant turn that calls tools.

    Args:
        content: What the assistant said besides.
        calls: The calls, each with ``id``, ``name`` and ``args``.
    """
    written = json.dumps({"tool_calls": [dict(call) for call in calls]}, ensure_ascii=False, default=str)
    return f"{content}\n{written}" if content else written


def tool_result_text(content: str, *, name: str | None, call_id: str | None, status: str = "success") -> str:
    """Write the result of a tool call as a turn of the user.

    Args:
        content: What the tool returned.
        name: Name of the tool, if it is known.
        call_id: Id of the call it answers, if it is known.
        status: ``success`` or ``error``.
    """
    head = json.dumps({"tool_result": {"name": name, "id": call_id, "status": status}}, ensure_ascii=False)
    return f"{head}\n{content}\n[end of tool result]"
