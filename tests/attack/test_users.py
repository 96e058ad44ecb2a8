"""Users of one tenant: a request that names a user reaches by id what lists show for that user, and nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lumnisai_core.local import RunReport, RunRequest, RunResult
from tests.local.conftest import Serve
from tests.local.support import Api, EchoEngine, HeldEngine

MARK = "xylophone-secret"
SERVER = {"name": "web", "transport": "sse", "url": "http://example.org", "scope": "user", "user_identifier": "ada"}


class ArtifactEngine:
    """Answers with an artifact, and waits for nothing."""

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        return RunResult("done", artifacts=({"artifactId": "a", "name": "a.txt", "content": "Tides."},))


def _run(api: Api) -> str:
    return str(api.create(user_id="ada")["response_id"])


def _thread(api: Api) -> str:
    return str(api.ok("POST", "/v1/threads", json={"user_id": "ada"})["thread_id"])


def _server(api: Api) -> str:
    return str(api.ok("POST", "/v1/mcp-servers", json=SERVER)["id"])


def _skill(api: Api) -> str:
    body = {"name": "n", "description": "d", "content": "c"}
    return str(api.ok("POST", "/v1/skills", params={"user_id": "ada"}, json=body)["id"])


def _usage(api: Api) -> str:
    body = {"response_id": _run(api), "skill_id": _skill(api), "skill_name": "n", "user_id": "ada"}
    return str(api.ok("POST", "/v1/skills/usage", json=body)["id"])


def _file(api: Api) -> str:
    sent = {"files": {"file": ("a.txt", b"tide")}, "data": {"scope": "user", "user_id": "ada"}}
    return str(api.ok("POST", "/v1/files/upload", **sent)["file_id"])


def _connection(api: Api) -> str:
    body = {"user_id": "ada", "app_name": "GITHUB"}
    return str(api.ok("POST", "/v1/integrations/connections/initiate", json=body)["connection_id"])


#: What belongs to Ada; the request by its id; where the request names its user; its body.
REQUESTS: list[tuple[Callable[[Api], str], str, str, dict[str, Any]]] = [
    (_run, "GET /v1/responses/{}", "user_id", {}),
    (_run, "POST /v1/responses/{}/cancel", "user_id", {}),
    (_run, "GET /v1/responses/{}/artifacts", "user_id", {}),
    (_run, "GET /v1/responses/{}/feedback", "user_id", {}),
    (_run, "POST /v1/responses/{}/feedback", "body.user_id", {"feedback_text": "Stop."}),
    (_thread, "GET /v1/threads/{}", "user_id", {}),
    (_thread, "GET /v1/threads/{}/responses", "user_id", {}),
    (_thread, "PATCH /v1/threads/{}", "user_id", {"title": "Mine"}),
    (_thread, "DELETE /v1/threads/{}", "user_id", {}),
    (_server, "GET /v1/mcp-servers/{}", "user_identifier", {}),
    (_server, "GET /v1/mcp-servers/{}", "user_id", {}),
    (_server, "GET /v1/mcp-servers/{}/tools", "user_identifier", {}),
    (_server, "PATCH /v1/mcp-servers/{}", "user_identifier", {"name": "mine"}),
    (_server, "POST /v1/mcp-servers/{}/test", "user_identifier", {}),
    (_server, "DELETE /v1/mcp-servers/{}", "user_identifier", {}),
    (_skill, "GET /v1/skills/{}", "user_id", {}),
    (_skill, "PUT /v1/skills/{}", "user_id", {"name": "mine"}),
    (_skill, "DELETE /v1/skills/{}", "user_id", {}),
    (_usage, "PUT /v1/skills/usage/{}", "user_id", {"priority": 1}),
    (_file, "GET /v1/files/{}", "user_id", {}),
    (_file, "GET /v1/files/{}/content", "user_id", {}),
    (_file, "GET /v1/files/{}/download", "user_id", {}),
    (_file, "GET /v1/files/{}/status", "user_id", {}),
    (_file, "PATCH /v1/files/{}/scope", "user_id", {"scope": "tenant"}),
    (_file, "DELETE /v1/files/{}", "user_id", {}),
    (_connection, "POST /v1/integrations/connections/callback", "body.user_id", {"connection_id": "{}"}),
]


def _send(api: Api, request: tuple[str, str, dict[str, Any]], item: str, user: str) -> int:
    (method, _, path), place, body = request[0].partition(" "), request[1], request[2]
    body = {name: value.format(item) if isinstance(value, str) else value for name, value in body.items()}
    query = {} if place.startswith("body.") else {place: user}
    body |= {"user_id": user} if place.startswith("body.") else {}
    return api.request(method, path.format(item), params=query, json=body or None).status_code


@pytest.mark.parametrize(
    ("make", "line", "place", "body"), REQUESTS, ids=lambda value: getattr(value, "__name__", str(value)[:60])
)
def test_a_request_that_names_a_user_reaches_nothing_of_others(
    serve: Serve, held: HeldEngine, make: Callable[[Api], str], line: str, place: str, body: dict[str, Any]
) -> None:
    """By id it is 404 for another user, and possible for the owner."""
    api = serve(held)
    item = make(api)
    assert _send(api, (line, place, body), item, "bob") == 404
    assert _send(api, (line, place, body), item, "ada") in (200, 201, 204, 409)


def test_one_switch_gives_the_looser_view_of_the_platform(serve: Serve, held: HeldEngine) -> None:
    """With `reach="tenant"` ids alone decide, but for files, which the platform keeps apart as well."""
    api = serve(held, reach="tenant")
    for make, line, place, body in REQUESTS:
        assert (_send(api, (line, place, body), make(api), "bob") == 404) == (make is _file), line


def test_idempotency_keys_of_users_are_apart(serve: Serve) -> None:
    """A user cannot use up the keys of another, nor be sent the reply that another got."""
    api, headers = serve(EchoEngine()), {"idempotency-key": "order-1"}
    skill = {"name": "n", "description": "d", "content": "c"}
    ada, bob = (
        api.post("/v1/skills", params={"user_id": name}, json=skill, headers=headers) for name in ("ada", "bob")
    )
    assert (ada.status_code, bob.status_code) == (201, 201)
    assert ada.json()["user_id"] != bob.json()["user_id"]
    body, headers = {"messages": [{"role": "user", "content": "Hello"}]}, {"idempotency-key": "order-2"}
    runs = [api.post("/v1/responses", json={**body, "user_id": name}, headers=headers) for name in ("ada", "bob")]
    assert [reply.status_code for reply in runs] == [201, 201]


def test_a_deleted_user_leaves_nothing(serve: Serve, tmp_path: Path) -> None:
    """No row names the user and no file holds a byte of theirs, replies kept for repeated requests included."""
    path = tmp_path / "l.db"
    api = serve(EchoEngine(), path=path)
    user = api.ok("POST", "/v1/users", json={"email": f"{MARK}@example.org"}, headers={"idempotency-key": "u"})
    named = {"user_id": user["id"]}
    thread = api.ok("POST", "/v1/threads", json={**named, "title": MARK}, headers={"idempotency-key": "t"})
    for fields in (named, {"thread_id": thread["thread_id"]}):
        run = api.post(
            "/v1/responses",
            json={"messages": [{"role": "user", "content": MARK * 500}], **fields},
            headers={"idempotency-key": f"r{len(fields)}{list(fields)}"},
        )
        api.wait(run.json()["response_id"])
    part, headers = {"file": (f"{MARK}.txt", MARK.encode())}, {"idempotency-key": "f"}
    uploaded = api.post("/v1/files/upload", files=part, data={"scope": "user", **named}, headers=headers)
    while api.ok("GET", f"/v1/files/{uploaded.json()['file_id']}", params=named)["processing_status"] != "completed":
        pass
    api.ok("DELETE", f"/v1/users/{user['id']}")
    api.local.close()
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert [file for file in files if b"xylophone" in file.read_bytes()] == []
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM replies").fetchone() == (0,)
    db.close()
