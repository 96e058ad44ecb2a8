"""Faults on demand, for programs that have only the address and the service's own key."""

from __future__ import annotations

from typing import Any

from pydantic import RootModel

from lumnisai_core.local.lumnis.app import Call, Reply
from lumnisai_core.local.lumnis.replies import dumps
from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.faults import Armed, Fault, FaultPlan


class _Plain(RootModel[dict[str, Any]]):
    """Any JSON object."""


async def list_(call: Call) -> Reply:
    """Show all faults in order, with how many requests each has seen and how often it happened."""
    return Reply(200, dumps({"faults": [_entry(armed) for armed in _plan(call)]}))


async def add(call: Call) -> Reply:
    """Let a further fault happen."""
    plan = _plan(call)
    body = await call.body(_Plain)
    try:
        armed = plan.add(Fault.from_dict(body.root))
    except ValueError as error:
        raise ApiError(400, "INVALID_FAULT", str(error)) from error
    return Reply(201, dumps(_entry(armed)))


async def clear(call: Call) -> Reply:
    """Let nothing go wrong any more."""
    _plan(call).clear()
    return await list_(call)


def _plan(call: Call) -> FaultPlan:
    if call.tenant.id != call.service.owner:
        raise ApiError(403, "FORBIDDEN", "Faults are for the service's own key.")
    return call.service.faults


def _entry(armed: Armed) -> dict[str, Any]:
    return {**armed.fault.to_dict(), "seen": armed.seen, "done": armed.done}
