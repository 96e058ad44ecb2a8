"""Idempotency keys: a create that is sent again makes nothing new."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from tests.local.support import Api

KEY = {"idempotency-key": "key-1"}


def _body(text: str = "Hello") -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "user_id": "ada"}


def test_the_same_request_is_replayed(api: Api) -> None:
    """The first create is 201; the same one again is 200 with the same body, even after the run has ended."""
    first = api.post("/v1/responses", json=_body(), headers=KEY)
    api.wait(first.json()["response_id"])
    again = api.post("/v1/responses", json=dict(reversed(_body().items())), headers=KEY)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert api.get("/v1/responses").json()["total"] == 1


def test_another_request_with_the_key_is_409(api: Api) -> None:
    """A key of a user belongs to one request, also across paths."""
    api.post("/v1/responses", json=_body(), headers=KEY)
    for path, body in (("/v1/responses", _body("Other")), ("/v1/threads", {"user_id": "ada"})):
        reply = api.post(path, json=body, headers=KEY)
        assert (reply.status_code, reply.json()["error"]["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")


def test_a_refused_request_does_not_use_up_its_key(api: Api) -> None:
    """A request that failed can be corrected and sent with the same key."""
    bad = {**_body(), "response_format": {"type": "nonsense"}}
    assert api.post("/v1/responses", json=bad, headers=KEY).status_code == 400
    assert api.post("/v1/responses", json=_body(), headers=KEY).status_code == 201


def test_threads_honour_the_key_too(api: Api) -> None:
    """Making a thread twice with one key makes one thread."""
    made = [api.post("/v1/threads", json={"title": "T"}, headers=KEY) for _ in range(2)]
    assert [reply.status_code for reply in made] == [201, 200]
    assert api.get("/v1/threads").json()["total"] == 1


def test_keys_of_tenants_are_apart(api: Api) -> None:
    """The same key of another tenant is another key."""
    api.post("/v1/responses", json=_body(), headers=KEY)
    with Api(api.local, headers={"x-api-key": api.local.add_key()}) as other:
        assert other.post("/v1/responses", json=_body("Other"), headers=KEY).status_code == 201


async def test_concurrent_creates_with_one_key_make_one_run(api: Api) -> None:
    """Of many creates at once exactly one makes the run; all tell the same id."""
    async with httpx.AsyncClient(base_url=api.base_url, headers={**api.headers, **KEY}) as client:
        replies = await asyncio.gather(*(client.post("/v1/responses", json=_body()) for _ in range(20)))
    assert sorted(reply.status_code for reply in replies) == [200] * 19 + [201]
    assert len({reply.json()["response_id"] for reply in replies}) == 1
    assert api.get("/v1/responses").json()["total"] == 1
