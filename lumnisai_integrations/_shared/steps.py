"""Steps of graphs and workflows that are executed again: the idempotency keys under which their calls find their runs.

A step that is executed again makes the same calls. The key of a call comes from the identity of the step, which the
framework keeps, from the request, and from how many calls with the same request came before it in this execution.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from lumnisai_core import KeyedRequest, KeyFunction
from lumnisai_integrations._shared.locks import changing

_MOST_EXECUTIONS = 10_000

#: How many calls with a request each execution of a step has made. The object that stands for the execution is kept, so
#: that no other one has its id.
_executions: OrderedDict[int, tuple[object, Counter[str]]] = OrderedDict()


def step_key(step: Sequence[str | None], execution: object, request: Mapping[str, Any]) -> KeyFunction:
    """Return what makes the key of a call: another one after a run that has failed or was cancelled.

    Args:
        step: What identifies the step, the same when it is executed again.
        execution: An object that stands for this execution of the step.
        request: The call as plain data.
    """
    digest = _digest(request)
    key = _digest([*step, digest, _position(execution, digest)])

    def key_of(keyed: KeyedRequest) -> str:
        return f"step-{key}-{keyed.attempt}"

    return key_of


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
