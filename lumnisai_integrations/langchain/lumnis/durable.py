"""Calls inside of LangGraph: a node that is executed again finds its runs, by keys that come from its task."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal

from lumnisai_core import KeyFunction
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.steps import step_key

#: Whether calls in a graph with a checkpointer are durable.
Durable = Literal["auto", "off"]


def check_durable(value: object) -> bool:
    """Return whether calls are durable; any other value is a ``ValidationError``."""
    if value not in ("auto", "off"):
        raise ValidationError(f"durable must be 'auto' or 'off', got {value!r}.")
    return value == "auto"


def graph_key(request: Callable[[], Mapping[str, Any]]) -> KeyFunction | None:
    """Return what makes the key of a call inside of a graph with a checkpointer; None anywhere else.

    ``request`` returns the call as plain data. The id of a task stays the same when it is executed again from its
    checkpoint, and is another one for each checkpoint, each ``Send`` and each branch that time travel begins.
    """
    execution = _execution()
    if execution is None or execution.thread_id is None:
        return None
    return step_key([execution.thread_id, execution.checkpoint_ns, execution.task_id], execution, request())


def _execution() -> Any:
    # Without an import: where LangGraph is not loaded, no graph runs.
    runtime = sys.modules.get("langgraph.runtime")
    if runtime is None:
        return None
    try:
        return runtime.get_runtime().execution_info
    except (RuntimeError, KeyError, AttributeError):  # outside of a graph, or a version without it
        return None
