"""Calls inside of LangGraph: a node that is executed again finds its runs, by keys that come from its task.

It makes the same calls again. The key of a call comes from the identity of the task, from the request, and from how
many calls with the same request came before it in this execution.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Literal

from lumnisai_core import KeyedRequest, KeyFunction
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.locks import changing

_MOST_EXECUTIONS = 10_000

#: How many calls with a request each execution of a task has made. The object that stands for the execution is kept, so
#: that no other one has its id.
_executions: OrderedDict[int, tuple[object, Counter[str]]] = OrderedDict()

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
    digest = _digest(request())
    place = [execution.thread_id, execution.checkpoint_ns, execution.task_id, digest, _position(execution, digest)]
    key = _digest(place)

    def key_of(keyed: KeyedRequest) -> str:
        return f"graph-{key}-{keyed.attempt}"

    return key_of


def _execution() -> Any:
    # Without an import: where LangGraph is not loaded, no graph runs.
    runtime = sys.modules.get("langgraph.runtime")
    if runtime is None:
        return None
    try:
        return runtime.get_runtime().execution_info
    except (RuntimeError, KeyError, AttributeError):  # outside of a graph, or a version without it
        return None


def _position(execution: object, digest: str) -> int:
    with changing():
        _, calls = _executions.setdefault(id(execution), (execution, Counter()))
        _executions.move_to_end(id(execution))
        if len(_executions) > _MOST_EXECUTIONS:
            _executions.popitem(last=False)
        calls[digest] += 1
        return calls[digest]


def _digest(value: object) -> str:
    written = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(written.encode()).hexdigest()[:32]
