"""Which fault happens to which request, and how faults are written down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from lumnisai_core.local import Fault, LocalLumnis
from lumnisai_core.local.web.faults import FaultPlan
from lumnisai_core.local.web.routes import Route

CREATE = "POST /v1/responses"


async def _endpoint() -> None:
    """No fault calls it."""


LINES = [
    "POST /v1/responses",
    "GET /v1/responses",
    "GET /v1/files",
    "GET /v1/files/{file_id}",
    "GET /v1/files/statistics",
    "DELETE /v1/files/{file_id}",
    "GET /v1/files/{file_id}/content",
]
ROUTES = [Route(method, path, _endpoint) for method, path in (line.split(" ") for line in LINES)]


def hits(plan: FaultPlan, *lines: str) -> str:
    """Tell by digits which fault each request gets, counted from 1 by status from 501; 0 is none."""
    due = (plan.due(*line.split(" ", 1)) for line in lines)
    return "".join(str((fault.status or 500) - 500) if fault else "0" for fault in due)


@pytest.mark.parametrize(
    ("route", "line", "hit"),
    [
        ("*", "GET /v1/files", True),
        ("*", "GET /elsewhere", True),
        ("*", "GET /v1/_local/faults", False),
        ("GET *", "GET /elsewhere", True),
        ("GET *", "HEAD /v1/files", True),
        ("GET *", "POST /v1/responses", False),
        ("* /v1/responses", "POST /v1/responses", True),
        ("* /v1/responses", "GET /v1/responses", True),
        ("* /v1/responses", "GET /v1/files", False),
        (CREATE, "POST /v1/responses", True),
        (CREATE, "GET /v1/responses", False),
        ("GET /v1/files", "GET /v1/files/", True),
        ("GET /v1/files/", "GET /v1/files", True),
        ("GET /v1/files/{id}", "GET /v1/files/abc", True),
        ("GET /v1/files/{id}", "DELETE /v1/files/abc", False),
        ("GET /v1/files/{id}", "GET /v1/files/statistics", False),
        ("GET /v1/files/{id}", "GET /v1/files/abc/content", False),
        ("* /v1/files/{id}/content", "GET /v1/files/abc/content", True),
        ("* /v1/files/{id}/content", "GET /v1/files/a/b/content", False),
    ],
)
def test_a_fault_is_about_a_route(route: str, line: str, hit: bool) -> None:
    """Method and path may be any; a literal path is not one with a parameter."""
    assert hits(FaultPlan(ROUTES, [Fault(route, status=501)]), line) == str(int(hit))


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ([Fault(status=501)], "1111"),
        ([Fault(status=501, times=2)], "1100"),
        ([Fault(status=501, after=1)], "0111"),
        ([Fault(status=501, after=1, times=1)], "0100"),
        ([Fault(status=501, times=1), Fault(status=502, times=2)], "1220"),
        ([Fault(status=501, after=2), Fault(status=502, times=1)], "2011"),
        ([Fault(status=501, probability=0)], "0000"),
        ([Fault(CREATE, status=501), Fault(status=502)], "2222"),
        ([], "0000"),
    ],
)
def test_a_fault_counts_the_requests_of_its_route(faults: list[Fault], expected: str) -> None:
    """`after` requests are spared, then it happens `times` times; the first fault that applies is the one."""
    plan = FaultPlan(ROUTES, faults)
    assert hits(plan, *["GET /v1/files"] * 4) == expected


def test_chance_is_the_same_each_time() -> None:
    """A seed hits the same requests, another seed others, each about as often as `probability` says."""

    def pattern(seed: int) -> str:
        plan = FaultPlan(ROUTES, [Fault(status=501, probability=0.3, seed=seed)])
        return hits(plan, *["GET /v1/files"] * 1000)

    assert pattern(1) == pattern(1) != pattern(2)
    assert 250 < pattern(1).count("1") < 350


def test_times_counts_hits_by_chance() -> None:
    """With a probability, `times` is how often it happens, not how often it is tried."""
    plan = FaultPlan(ROUTES, [Fault(status=501, probability=0.5, times=3)])
    assert hits(plan, *["GET /v1/files"] * 100).count("1") == 3
    assert [(armed.seen, armed.done) for armed in plan] == [(100, 3)]


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ({"route": "/v1/responses", "status": 500}, "route must be like 'POST /v1/responses'"),
        ({"route": "post /v1/responses", "status": 500}, "route must be like"),
        ({"route": 5, "status": 500}, "route must be like"),
        ({"status": 99}, "status must be a whole number from 200 to 599, got 99"),
        ({"status": 600}, "status must be"),
        ({"status": "500"}, "status must be"),
        ({"status": True}, "status must be"),
        ({"status": 500, "times": 0}, "times must be a whole number from 1, got 0"),
        ({"status": 500, "after": -1}, "after must be"),
        ({"status": 500, "after": None}, "after must be"),
        ({"status": 500, "seed": "x"}, "seed must be a whole number, got 'x'"),
        ({"status": 500, "probability": 1.5}, "probability must be a number from 0 to 1, got 1.5"),
        ({"latency": -1}, "latency must be a number from 0"),
        ({"latency": float("nan")}, "latency must be"),
        ({"latency": float("inf")}, "latency must be"),
        ({"latency": "1"}, "latency must be"),
        ({"stall": True}, "stall must be"),
        ({"status": 429, "retry_after": -1}, "retry_after must be"),
        ({"status": 429, "retry_after": "soon"}, "retry_after must be seconds or a date, got 'soon'"),
        ({"status": 429, "retry_after": "2026-05-01T10:00:00"}, "must have a time zone"),
        ({"garbage": True, "retry_after": 1}, "retry_after needs a status"),
        ({"latency": 1, "body": "x"}, "body needs a status"),
        ({"reset": "during"}, "reset must be 'before' or 'after'"),
        ({"garbage": 1}, "garbage must be True or False"),
        ({"truncate": "yes"}, "truncate must be"),
        ({}, "something to do"),
        ({"latency": 0}, "something to do"),
        ({"status": 500, "truncate": True}, "status and truncate"),
        ({"statuses": 500}, "Fault has no statuses; known keys: route"),
        ([], "Fault must be an object, got list"),
    ],
)
def test_a_wrong_fault_is_explained(plain: Any, words: str) -> None:
    """Errors name the field and the value."""
    with pytest.raises(ValueError, match=words):
        Fault.from_dict(plain)


@pytest.mark.parametrize(
    ("fault", "plain"),
    [
        (Fault(stall=0), {"route": "*", "stall": 0}),
        (
            Fault(CREATE, times=1, status=429, retry_after=1.5),
            {"route": CREATE, "times": 1, "status": 429, "retry_after": 1.5},
        ),
        (
            Fault(status=429, retry_after=datetime(2026, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))),
            {"route": "*", "status": 429, "retry_after": "Fri, 01 May 2026 10:00:00 GMT"},
        ),
    ],
)
def test_a_fault_has_a_plain_form(fault: Fault, plain: dict[str, Any]) -> None:
    """The plain form leaves out fields at their defaults, and can be read again."""
    assert fault.to_dict() == plain
    assert Fault.from_dict(plain) == fault


def test_a_date_may_be_iso_8601() -> None:
    """`retry_after` of the plain form is a date in either form."""
    fault = Fault.from_dict({"status": 429, "retry_after": "2026-05-01T10:00:00Z"})
    assert fault.retry_after == datetime(2026, 5, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ([Fault("GET /v1/nothing", status=500)], "no route 'GET /v1/nothing'"),
        ([Fault("PUT /v1/responses", status=500)], "no route 'PUT /v1/responses'"),
        ([Fault("GET /v1/_local/faults", status=500)], "no route"),
        (Fault(status=500), "got a single Fault"),
        ([{"status": 500}], "must be Fault objects, got dict"),
    ],
)
def test_a_service_refuses_faults_that_cannot_happen(faults: Any, words: str) -> None:
    """A misspelt route is an error when the service is made, not a fault that never happens."""
    with pytest.raises(ValueError, match=words):
        LocalLumnis(faults=faults)
