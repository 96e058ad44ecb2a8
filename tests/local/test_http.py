"""Credentials, error bodies and what every answer carries."""

from __future__ import annotations

import socket
from typing import Any

import httpx
import pytest

from lumnisai_core.local import LocalLumnis, RunReport, RunRequest, RunResult
from tests.local.conftest import Serve
from tests.local.support import Api

HELLO = {"messages": [{"role": "user", "content": "Hello"}]}


#: An id that nothing has.
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize("scheme", ["Bearer {}", "bearer {}"])
def test_a_bearer_key_is_accepted(api: Api, scheme: str) -> None:
    """The key is accepted as a bearer token, whatever the case of the word."""
    headers = {"authorization": scheme.format(api.local.api_key)}
    assert httpx.get(f"{api.local.base_url}/v1/tenant", headers=headers).status_code == 200


def test_an_x_api_key_header_is_accepted(api: Api) -> None:
    """The key is accepted in X-API-Key."""
    reply = httpx.get(f"{api.local.base_url}/v1/tenant", headers={"x-api-key": api.local.api_key})
    assert reply.status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer nope"}, {"x-api-key": "nope"}, {"authorization": "Basic abc"}]
)
def test_without_the_key_every_request_is_refused(api: Api, headers: dict[str, str]) -> None:
    """A missing or wrong key is 401 with the code INVALID_API_KEY."""
    reply = httpx.get(f"{api.local.base_url}/v1/responses", headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "INVALID_API_KEY")


def test_health_needs_no_key(api: Api) -> None:
    """Health is public."""
    assert httpx.get(f"{api.local.base_url}/v1/health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/responses/", 404),
        ("PUT", "/v1/responses", 405),
        ("DELETE", "/v1/responses/abc", 405),
        ("GET", f"/v1/responses/{NOBODY}", 404),
        ("POST", f"/v1/responses/{NOBODY}/cancel", 404),
        ("GET", f"/v1/responses/{NOBODY}/artifacts", 404),
        ("GET", "/v1/threads/a%2Fb", 404),
        ("GET", f"/v1/threads/{NOBODY}/responses", 404),
        ("DELETE", f"/v1/threads/{NOBODY}", 404),
        ("GET", f"/v1/tenants/{NOBODY}", 404),
    ],
)
def test_refusals_have_a_json_body_with_code_and_message(api: Api, method: str, path: str, status: int) -> None:
    """Unknown routes, methods and ids are refused with a code and a message."""
    reply = api.request(method, path)
    assert reply.status_code == status
    assert set(reply.json()["error"]) >= {"code", "message"}
    assert reply.headers["x-request-id"]


def test_a_wrong_method_names_the_right_ones(api: Api) -> None:
    """405 carries the Allow header."""
    assert api.put("/v1/responses").headers["allow"] == "POST, GET"


def test_every_answer_has_a_request_id_and_keeps_the_callers(api: Api) -> None:
    """X-Request-ID is on every answer: the caller's, or a fresh one each time."""
    first, second = api.get("/v1/tenant"), api.get("/v1/tenant")
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert api.get("/v1/tenant", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"


BAD_BODIES: list[tuple[Any, list[Any]]] = [
    (b"", ["body"]),
    (b"{", ["body"]),
    (b"\xff\xfe", ["body"]),
    (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', ["body"]),
    (b'{"messages": NaN}', ["body"]),
    (b"[" * 5000, ["body"]),
    ([], ["body"]),
    ("text", ["body"]),
    ({}, ["body", "messages"]),
    ({"messages": []}, ["body", "messages"]),
    ({"messages": "Hello"}, ["body", "messages"]),
    ({"messages": [{"role": "robot", "content": "x"}]}, ["body", "messages", 0, "role"]),
    ({"messages": [{"role": "user"}]}, ["body", "messages", 0, "content"]),
    ({"messages": [{"role": "user", "content": 5}]}, ["body", "messages", 0, "content"]),
    ({**HELLO, "user_id": ""}, ["body", "user_id"]),
    ({**HELLO, "user_id": "  "}, ["body", "user_id"]),
    ({**HELLO, "user_id": "x" * 256}, ["body", "user_id"]),
    ({**HELLO, "response_format": "json"}, ["body", "response_format"]),
    ({**HELLO, "files": [{"name": "a"}]}, ["body", "files", 0, "uri"]),
]


@pytest.mark.parametrize(("body", "place"), BAD_BODIES)
def test_a_body_of_the_wrong_shape_is_422_and_nothing_is_written(api: Api, body: Any, place: list[Any]) -> None:
    """A body that cannot be used is refused with the place of the fault, and leaves no trace."""
    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
    reply = api.post("/v1/responses", **sent)
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == place
    assert api.get("/v1/threads").json()["total"] == api.get("/v1/responses").json()["total"] == 0


def test_unknown_fields_are_ignored(api: Api) -> None:
    """Fields and query parameters that the service does not know do no harm."""
    assert api.post("/v1/responses?x=1", json={**HELLO, "poll_interval_ms": 5}).status_code == 201


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "offset=-1", "status=done", "start_date=soon", "user_id=", "limit="],
)
def test_a_bad_query_is_422(api: Api, query: str) -> None:
    """List parameters out of range are refused."""
    reply = api.get(f"/v1/responses?{query}")
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["query", query.partition("=")[0]]


def test_a_body_over_the_limit_is_413(serve: Serve) -> None:
    """A body over the limit is refused, also when its length is not announced, and the service keeps serving."""
    api = serve(max_body=1000)
    body = b'{"messages": [{"role": "user", "content": "' + b"x" * 2000 + b'"}]}'
    for content in (body, iter([body])):
        reply = api.post("/v1/responses", content=content)
        assert (reply.status_code, reply.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert api.create()["status"] == "queued"


def test_an_invalid_response_format_is_400_with_the_reason(api: Api) -> None:
    """A schema that is none, or that points outside, is refused when the run is created."""
    for schema, reason in (({"type": "strnig"}, "strnig"), ({"$ref": "http://example.org/x"}, "example.org")):
        reply = api.post("/v1/responses", json={**HELLO, "response_format": schema})
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "INVALID_RESPONSE_FORMAT")
        assert reason in reply.json()["error"]["message"]
    assert api.get("/v1/threads").json()["total"] == 0


def test_an_unexpected_fault_is_a_500_without_a_trace(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of the service is a 500 with the request id; the reason is in the log, not in the body."""
    monkeypatch.setattr("lumnisai_core.local.store.database.Table.page", None)
    reply = api.get("/v1/responses")
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "INTERNAL_ERROR")
    assert reply.json()["error"]["details"]["request_id"] == reply.headers["x-request-id"]
    assert "Traceback" not in reply.text
    assert "TypeError" not in reply.text
    assert "not callable" in caplog.text


def test_a_caller_that_hangs_up_does_no_harm(api: Api) -> None:
    """A connection that ends inside the body is forgotten."""
    with socket.create_connection(("127.0.0.1", api.base_url.port or 0)) as raw:
        head = (
            f"POST /v1/responses HTTP/1.1\r\nhost: x\r\nx-api-key: {api.local.api_key}\r\ncontent-length: 50\r\n\r\n{{"
        )
        raw.sendall(head.encode())
    assert api.get("/v1/responses").json()["total"] == 0


def test_the_tenant_is_the_keys_own(api: Api) -> None:
    """The tenant can be read with and without its id."""
    tenant = api.get("/v1/tenant").json()
    assert tenant == api.get(f"/v1/tenants/{tenant['id']}").json()
    assert tenant["api_key_mode"] == "platform"
    assert api.create()["tenant_id"] == tenant["id"]


def test_the_key_is_not_shown(api: Api) -> None:
    """The key appears in no repr."""
    assert api.local.api_key not in repr(api.local)


def test_tenants_do_not_see_each_other(api: Api) -> None:
    """Another key is another tenant: its runs and threads do not exist for this one."""
    run = api.finish()
    with Api(api.local, headers={"x-api-key": api.local.add_key()}) as other:
        assert other.get("/v1/responses").json()["total"] == other.get("/v1/threads").json()["total"] == 0
        assert other.get(f"/v1/responses/{run['response_id']}").status_code == 404
        assert other.get(f"/v1/threads/{run['thread_id']}").status_code == 404
        reply = other.post("/v1/responses", json={**HELLO, "thread_id": run["thread_id"]})
        assert reply.status_code == 404


@pytest.mark.parametrize("options", [{"poll": "often"}, {"api_key": " "}, {"engine": "magic"}])
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    """A wrong option is named at once."""
    with pytest.raises(ValueError, match=r"poll|api_key|engine"):
        LocalLumnis(**options)


class Unused:
    """An engine by shape only."""

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        return RunResult()


def test_a_service_that_is_not_running_has_no_address() -> None:
    """The address exists while the service runs."""
    local = LocalLumnis(engine=Unused())
    with pytest.raises(RuntimeError, match="start"):
        _ = local.base_url
    with pytest.raises(RuntimeError, match="not running"):
        local.add_key()
