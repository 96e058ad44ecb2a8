"""Faults on demand over HTTP, which only the embedded service has."""

from __future__ import annotations

from pydantic import RootModel
from typing_extensions import TypedDict

from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.faults import Armed, Fault, FaultPlan
from lumnisai_core.local.web.routes import RouteTable
from lumnisai_core.local.web.shapes import Object

route = RouteTable()


class _AnyObject(RootModel[Object]):
    """Any JSON object."""


class Faults(TypedDict):
    """All faults in order, each with its counts."""

    faults: list[Object]


@route("GET /v1/_local/faults")
async def list_faults(call: Call) -> Faults:
    """Show all faults in order, with how many requests each has seen and how often it happened."""
    return {"faults": [_entry(armed) for armed in _plan(call)]}


@route("POST /v1/_local/faults", status=201, optional=True)
async def add_fault(call: Call, body: _AnyObject) -> Object:
    """Add a fault behind the others."""
    plan = _plan(call)
    try:
        return _entry(plan.add(Fault.from_dict(body.root)))
    except ValueError as error:
        raise ApiError(400, "INVALID_FAULT", str(error)) from error


@route("DELETE /v1/_local/faults")
async def clear_faults(call: Call) -> Faults:
    """Remove all faults."""
    _plan(call).clear()
    return {"faults": []}


def _plan(call: Call) -> FaultPlan:
    if not call.service.settings.fault_routes:
        raise ApiError(403, "FORBIDDEN", "Faults over HTTP are switched off in this service (fault_routes).")
    if not call.is_owner:
        raise ApiError(403, "FORBIDDEN", "Faults are for the service's own key, which is not the key of a tenant.")
    return call.service.faults


def _entry(armed: Armed) -> Object:
    return {**armed.fault.to_dict(), "seen": armed.seen, "done": armed.done}
