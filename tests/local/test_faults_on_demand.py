"""Faults on demand: the requests they hit, and their effect on a real connection."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from lumnisai_core import Client
from lumnisai_core.local import Fault, LocalLumnis, RunRequest, Script, ScriptedEngine
from lumnisai_core.local.web.layers import hung_up
from tests.local.conftest import Serve
from tests.local.support import Api, EchoEngine, HeldEngine, other_tenant

CREATE = "POST /v1/responses"
LOOK = "GET /v1/responses/{response_id}"
HELLO = {"messages": [{"role": "user", "content": "Hello"}]}


def total(api: Api) -> int:
    """Count the runs there are."""
    count: int = api.ok("GET", "/v1/responses")["total"]
    return count


@pytest.mark.parametrize(
    ("fault", "status", "headers", "text"),
    [
        (Fault(status=503), 503, {"content-type": "application/json"}, "SERVICE_UNAVAILABLE"),
        (Fault(status=599), 599, {}, "STATUS_599"),
        (Fault(status=429, retry_after=2), 429, {"retry-after": "2"}, "RATE_LIMITED"),
        (Fault(status=429, retry_after=0.25), 429, {"retry-after": "0.25"}, ""),
        (
            Fault(status=429, retry_after=datetime(2026, 5, 1, tzinfo=UTC)),
            429,
            {"retry-after": "Fri, 01 May 2026 00:00:00 GMT"},
            "",
        ),
        (Fault(status=502, body="<h1>Bad</h1>"), 502, {"content-type": "text/plain; charset=utf-8"}, "<h1>Bad</h1>"),
        (Fault(status=418, body={"detail": []}), 418, {"content-type": "application/json"}, '{"detail":[]}'),
        (Fault(status=204), 204, {}, ""),
    ],
)
def test_a_status_is_answered_instead(
    serve: Serve, fault: Fault, status: int, headers: dict[str, str], text: str
) -> None:
    """The request is not processed; status, `Retry-After` and body are those of the fault."""
    api = serve(EchoEngine(), faults=[Fault(**{**fault_fields(fault), "route": CREATE, "times": 1})])
    reply = api.post("/v1/responses", json=HELLO)
    assert reply.status_code == status
    assert {name: reply.headers[name] for name in headers} == headers
    assert text in reply.text
    assert total(api) == 0
    api.create()


def fault_fields(fault: Fault) -> dict[str, Any]:
    return {name: getattr(fault, name) for name in Fault.__dataclass_fields__}


def test_latency_delays_the_answer(serve: Serve) -> None:
    """With latency only, the request is answered as usual, later."""
    api = serve(EchoEngine(), faults=[Fault("GET /v1/tenant", latency=0.3, times=1)])
    began = time.monotonic()
    assert api.ok("GET", "/v1/tenant")["id"]
    assert time.monotonic() - began >= 0.3


def test_latency_goes_with_another_fault(serve: Serve) -> None:
    """The wait comes first."""
    api = serve(EchoEngine(), faults=[Fault(status=500, latency=0.2)])
    began = time.monotonic()
    assert api.get("/v1/tenant").status_code == 500
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize(("moment", "runs"), [("before", 0), ("after", 1)])
def test_a_reset_comes_before_or_after_processing(serve: Serve, moment: Any, runs: int) -> None:
    """The connection is reset without an answer; afterwards the run exists or not."""
    api = serve(EchoEngine(), faults=[Fault(CREATE, reset=moment, times=1)])
    with pytest.raises(httpx.ReadError, match="reset"):
        api.post("/v1/responses", json=HELLO)
    assert total(api) == runs


def test_a_stall_ends_with_a_reset(serve: Serve) -> None:
    """The request is processed, and nothing comes for so long."""
    api = serve(EchoEngine(), faults=[Fault(CREATE, stall=0.3, times=1)])
    began = time.monotonic()
    with pytest.raises(httpx.ReadError, match="reset"):
        api.post("/v1/responses", json=HELLO)
    assert time.monotonic() - began >= 0.3
    assert total(api) == 1


def test_a_caller_may_lose_patience_with_a_stall(serve: Serve) -> None:
    """A read timeout of the caller ends it for the caller; closing the service does not wait for the rest."""
    api = serve(EchoEngine(), faults=[Fault(CREATE, stall=60, times=1), Fault(LOOK, latency=60, times=1)])
    with pytest.raises(httpx.ReadTimeout):
        api.post("/v1/responses", json=HELLO, timeout=0.1)
    with pytest.raises(httpx.ReadTimeout):
        api.get("/v1/responses/abc", timeout=0.1)
    began = time.monotonic()
    api.local.close()
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/responses"), ("DELETE", "/v1/files/bulk")])
def test_a_truncated_answer_promises_more_than_it_sends(serve: Serve, method: str, path: str) -> None:
    """The length is announced, half of the body is sent, then the connection ends."""
    api = serve(EchoEngine(), faults=[Fault(truncate=True, times=1)])
    with pytest.raises(httpx.RemoteProtocolError, match=r"incomplete message body|without sending complete"):
        api.request(method, path)
    assert total(api) == 0


def test_an_answer_without_a_body_is_truncated_too(serve: Serve) -> None:
    """A 204 becomes a 200 whose body never comes."""
    api = serve(EchoEngine(), faults=[Fault("DELETE /v1/threads/{id}", truncate=True)])
    thread = api.finish()["thread_id"]
    with pytest.raises(httpx.RemoteProtocolError):
        api.delete(f"/v1/threads/{thread}")
    assert api.get(f"/v1/threads/{thread}").status_code == 404


def test_garbage_is_not_json(serve: Serve) -> None:
    """The request is processed, and answered 200 with bytes that are not JSON."""
    api = serve(EchoEngine(), faults=[Fault(CREATE, garbage=True, times=1)])
    reply = api.post("/v1/responses", json=HELLO)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    with pytest.raises(ValueError, match=r"decode|Expecting"):
        reply.json()
    assert total(api) == 1


@pytest.mark.parametrize(("headers", "runs"), [({}, 2), ({"idempotency-key": "k"}, 1)])
def test_a_duplicate_is_processed_twice(serve: Serve, headers: dict[str, str], runs: int) -> None:
    """Without an idempotency key there are two runs, with one there is one; the first answer is sent."""
    api = serve(EchoEngine(), faults=[Fault(CREATE, duplicate=True, times=1)])
    reply = api.post("/v1/responses", json=HELLO, headers=headers)
    assert reply.status_code == 201
    assert total(api) == runs


def test_a_caller_that_hangs_up_is_forgotten(serve: Serve) -> None:
    """A connection that ends inside the body hits nothing, and the service keeps serving."""
    api = serve(EchoEngine(), faults=[Fault(CREATE, duplicate=True, times=1)])

    def broken() -> Any:
        yield b"{"
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        api.post("/v1/responses", content=broken())
    assert total(api) == 0


async def test_the_end_of_a_connection_is_waited_for() -> None:
    """The rest of the request is read first."""
    messages = [{"type": "http.disconnect"}, {"type": "http.request"}, {"type": "http.request"}]

    async def receive() -> dict[str, str]:
        return messages.pop()

    await hung_up(receive)
    assert messages == []


def test_counts_start_anew_with_the_service() -> None:
    """A service that is started again starts with its faults as they were at first."""
    local = LocalLumnis(faults=[Fault("GET /v1/tenant", status=500, times=1)])
    for _ in range(2):
        with local, Api(local) as api:
            assert [api.get("/v1/tenant").status_code for _ in range(2)] == [500, 200]


def test_faults_can_be_added_over_http(api: Api) -> None:
    """Add, list with counts, remove all; a fault on any request leaves these routes alone."""
    added = api.ok("POST", "/v1/_local/faults", json={"route": "*", "status": 500, "after": 1})
    assert added == {"route": "*", "status": 500, "after": 1, "seen": 0, "done": 0}
    assert [api.get("/v1/tenant").status_code for _ in range(3)] == [200, 500, 500]
    assert api.ok("GET", "/v1/_local/faults") == {"faults": [{**added, "seen": 3, "done": 2}]}
    assert api.ok("DELETE", "/v1/_local/faults") == {"faults": []}
    assert api.get("/v1/tenant").status_code == 200


def test_faults_that_cannot_happen_are_refused_over_http(api: Api) -> None:
    """The error has the reason, and nothing is added."""
    faults = "/v1/_local/faults"
    reply = api.post(faults, json={"route": "GET /v1/nothing", "status": 500})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "INVALID_FAULT")
    assert "GET /v1/nothing" in reply.json()["error"]["message"]
    assert api.refused(400, "POST", faults, json={"status": 1}) == "INVALID_FAULT"
    assert api.refused(422, "POST", faults, json=[]) == [["body"]]
    assert api.refused(422, "POST", faults, content=b"{") == [["body"]]
    assert api.ok("GET", faults) == {"faults": []}


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_faults_are_for_the_services_own_key(api: Api, method: str) -> None:
    """Without the key it is 401, with a further key 403."""
    reply = httpx.request(method, f"{api.base_url}/v1/_local/faults")
    assert reply.status_code == 401
    with other_tenant(api) as other:
        assert other.refused(403, method, "/v1/_local/faults") == "FORBIDDEN"


@pytest.mark.parametrize("api_key", [None, "lmn_acme_2", "lmn_own"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_no_key_of_a_tenant_handles_faults(serve: Serve, method: str, api_key: str | None) -> None:
    """Not even of the first tenant, nor one that is the service's own key as well: others would have the faults."""
    tenants = {"acme": ["lmn_acme_1", "lmn_acme_2"], "globex": ["lmn_globex"]}
    api = serve(EchoEngine(), tenants=tenants, api_key=api_key)
    for key in ("lmn_acme_1", "lmn_acme_2", "lmn_globex"):
        headers, body = {"x-api-key": key}, {"route": "*", "status": 401}
        reply = httpx.request(method, f"{api.base_url}/v1/_local/faults", headers=headers, json=body)
        assert reply.status_code == 403
    assert api.get("/v1/tenant").status_code == 200
    if api_key == "lmn_own":
        assert api.ok("GET", "/v1/_local/faults") == {"faults": []}


def test_faults_over_http_can_be_switched_off(serve: Serve) -> None:
    """The faults that the service was started with happen all the same."""
    api = serve(EchoEngine(), fault_routes=False, faults=[Fault("GET /v1/tenant", status=500, times=1)])
    assert api.refused(403, "DELETE", "/v1/_local/faults") == "FORBIDDEN"
    assert [api.get("/v1/tenant").status_code for _ in range(2)] == [500, 200]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(CREATE, reset="before", times=1),
        Fault(CREATE, reset="after", times=1),
        Fault(CREATE, status=503, times=1),
        Fault(CREATE, status=429, retry_after=0.01, times=1),
        Fault(CREATE, truncate=True, times=1),
        Fault(CREATE, duplicate=True, times=1),
    ],
    ids=lambda fault: "-".join(str(value) for value in itertools.islice(fault.to_dict().values(), 2, None)),
)
def test_a_client_makes_exactly_one_run(serve: Serve, fault: Fault) -> None:
    """Whatever happens to the create, the client's retry ends with one run and its answer."""
    played: list[RunRequest] = []

    def choose(request: RunRequest) -> Script:
        played.append(request)
        return Script(output_text="Neap.")

    api = serve(ScriptedEngine(choose), faults=[fault])
    with Client(api.local.api_key, base_url=api.local.base_url, user_id="user-123") as client:
        assert client.invoke("Which tides are small?").output_text == "Neap."
    assert (total(api), len(played)) == (1, 1)


def test_held_polls_can_be_reset(serve: Serve, held: HeldEngine) -> None:
    """A fault of the poll does not touch the run."""
    api = serve(held, faults=[Fault(LOOK, reset="before", times=2)])
    run = api.create()
    held.arrived()
    for _ in range(2):
        with pytest.raises(httpx.ReadError):
            api.look(run["response_id"], wait=5)
    held.release()
    assert api.wait(run["response_id"])["output_text"] == "done"


def test_a_date_is_sent_as_http_writes_it(serve: Serve) -> None:
    """Whatever the zone, the header is in GMT."""
    moment = datetime.now(timezone(timedelta(hours=-5))).replace(microsecond=0)
    api = serve(EchoEngine(), faults=[Fault(status=503, retry_after=moment)])
    assert parsedate_to_datetime(api.get("/v1/tenant").headers["retry-after"]) == moment
