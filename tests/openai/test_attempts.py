"""Clients that try again, and clients that leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest
from starlette.requests import Request

from lumnisai_core import Client
from lumnisai_core.local import Fault, LocalLumnis
from lumnisai_core.local.openai.attempts import Attempts, Identity
from lumnisai_core.local.web.errors import ApiError
from tests.openai.engine import LONG, Act, Stage

USER: Any = {"role": "user", "content": "When is high tide?"}
CHAT = "/chat/completions"


def ask(client: openai.OpenAI, **options: Any) -> Any:
    return client.chat.completions.create(**{"model": "lumnis", "messages": [USER], **options})


@pytest.mark.parametrize("path", [CHAT, "/responses"])
def test_an_answer_that_was_lost_is_sent_again(path: str, stage: Stage) -> None:
    """The connection breaks when the run has ended: the client tries again and gets the answer of the same run."""
    stage.clear()
    fault = Fault(f"POST /openai/v1{path}", reset="after", times=1)
    with LocalLumnis(engine=stage, faults=[fault]) as local:
        with openai.OpenAI(api_key=local.api_key, base_url=local.openai_base_url) as client:
            made = ask(client) if path == CHAT else client.responses.create(model="lumnis", input="Tide?")
    assert "High at noon." in made.model_dump_json()
    assert len(stage.requests) == 1


def test_a_client_that_lost_patience_gets_the_same_run(local: LocalLumnis, address: str, stage: Stage) -> None:
    """Its second try waits for the run that its first one made."""
    stage.clear()
    act, tries = Act(waits=True), []
    stage.play(act)

    def tried(request: httpx.Request) -> None:
        tries.append(request)
        if len(tries) == 2:
            act.go.set()

    http = openai.DefaultHttpxClient(event_hooks={"request": [tried]})
    with openai.OpenAI(api_key=local.api_key, base_url=address, http_client=http, timeout=0.5) as client:
        assert ask(client.with_options(max_retries=5)).choices[0].message.content == "High at noon."
    assert len(tries) >= 2
    assert len(stage.requests) == 1
    assert not act.cancelled.is_set()


def test_equal_requests_are_not_tries_of_one(client: openai.OpenAI, stage: Stage) -> None:
    """Who asks the same at the same time gets a run each."""
    with ThreadPoolExecutor() as pool:
        made = list(pool.map(lambda _: ask(client).id, range(4)))
    assert len(set(made)) == 4
    assert len(stage.requests) == 4


def test_an_idempotency_key_names_one_run(client: openai.OpenAI, stage: Stage) -> None:
    """For as long as the service remembers it, also for a thread that has grown; not for another request."""
    once = {"extra_headers": {"Idempotency-Key": "tide-1"}}
    first = ask(client, **once)
    ask(client, metadata={"thread_id": first.thread_id})
    assert ask(client, **once).id == first.id
    assert len(stage.requests) == 2
    with pytest.raises(openai.ConflictError, match="different request"):
        ask(client.with_options(max_retries=0), model="scribe", **once)


@pytest.mark.parametrize("path", [CHAT, "/responses"])
def test_who_closes_a_stream_stops_the_run(client: openai.OpenAI, stage: Stage, path: str) -> None:
    """In the middle of the answer."""
    act = Act(pieces=["High ", "at noon."], waits=True)
    stage.play(act)
    asked: Any = {"messages": [USER]} if path == CHAT else {"input": "Tide?"}
    create: Callable[..., Any] = client.chat.completions.create if path == CHAT else client.responses.create
    with create(model="lumnis", stream=True, **asked) as stream:
        for event in stream:
            if "High " in event.model_dump_json():
                break
    assert act.cancelled.wait(LONG)


def test_who_hangs_up_stops_the_run(local: LocalLumnis, address: str, stage: Stage) -> None:
    """A client that does not try again, at once."""
    stage.clear()
    act = Act(waits=True)
    stage.play(act)
    body, headers = {"model": "lumnis", "messages": [USER]}, {"authorization": f"Bearer {local.api_key}"}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{address}{CHAT}", json=body, headers=headers, timeout=httpx.Timeout(LONG, read=0.5))
    assert act.cancelled.wait(LONG)


def test_a_background_run_works_without_its_client(client: openai.OpenAI, stage: Stage) -> None:
    """Also when the client has watched it."""
    act = Act(pieces=["High ", "at noon."], waits=True)
    stage.play(act)
    with client.responses.create(model="lumnis", input="Tide?", stream=True, background=True) as stream:
        first = next(iter(stream))
    response_id = first.response.id  # type: ignore[union-attr] # the first event has it
    act.go.set()
    *_, last = client.responses.retrieve(response_id, stream=True)
    assert last.response.output_text == "High at noon."  # type: ignore[union-attr] # the last event has it
    assert not act.cancelled.is_set()


def test_a_service_that_stops_ends_streams(stage: Stage) -> None:
    """With an error, not as if the answer were whole; a client that waits may try again."""
    stage.clear()
    act = Act(pieces=["High ", "at noon."], waits=True)
    stage.play(act)
    local = LocalLumnis(engine=stage).start()
    with openai.OpenAI(api_key=local.api_key, base_url=local.openai_base_url) as client:
        texts = []
        with pytest.raises(openai.APIError, match="stops"):
            for chunk in ask(client, stream=True):
                texts.append(chunk.choices[0].delta.content)
                if texts[-1] == "High ":
                    local.close()
    assert "High " in texts


def test_a_run_that_others_cancel(client: openai.OpenAI, local: LocalLumnis, stage: Stage) -> None:
    """A client that waits for it learns that, and does not try again."""
    act = Act(waits=True)
    stage.play(act)

    def cancel() -> None:
        assert act.started.wait(LONG)
        with Client(local.api_key, base_url=local.base_url, scope="tenant") as lumnis:
            lumnis.responses.cancel(stage.requests[0].response_id)

    with ThreadPoolExecutor() as pool:
        cancelling = pool.submit(cancel)
        with pytest.raises(openai.ConflictError, match="was cancelled"):
            ask(client)
        cancelling.result()
    assert len(stage.requests) == 1


# Attempts by themselves


def identity(*, retry: str | None = "0", key: str | None = None, body: bytes = b"{}", who: str = "k") -> Identity:
    """Read the identity of a request with these headers."""
    headers = {"authorization": who, "x-stainless-retry-count": retry, "idempotency-key": key}
    listed = [(name.encode(), value.encode()) for name, value in headers.items() if value is not None]
    scope = {"type": "http", "path": CHAT, "headers": listed, "query_string": b"", "server": ("x", 1), "scheme": "http"}
    return Identity.of(Request(scope), body)


@pytest.mark.parametrize(
    ("second", "joins"),
    [
        (identity(retry="1"), True),
        (identity(retry="0"), False),
        (identity(retry=None), False),
        (identity(retry="1", body=b"[]"), False),
        (identity(retry="1", who="other"), False),
        (identity(retry="1", key="a"), False),
    ],
)
async def test_which_request_is_a_try_of_an_earlier_one(second: Identity, joins: bool) -> None:
    """One with the same key and body that says so."""
    made: list[str | None] = []

    async def start(key: str | None) -> dict[str, Any]:
        made.append(key)
        return {"response_id": str(len(made))}

    attempts = Attempts()
    first = await attempts.join(identity(), start)
    again = await attempts.join(second, start)
    assert (again is first) == joins
    assert len(made) == (1 if joins else 2)


async def test_a_run_that_was_left_is_stopped_if_nobody_returns() -> None:
    """After the time in which a client tries again; not if it has."""
    stopped: list[str] = []
    ended = asyncio.Event()

    async def start(_key: str | None) -> dict[str, Any]:
        return {"response_id": "r"}

    async def stop(run_id: str) -> None:
        stopped.append(run_id)
        ended.set()

    attempts = Attempts(patience=0.01)
    attempts.leave(await attempts.join(identity(), start), stop)
    again = await attempts.join(identity(retry="1"), start)
    assert again.end is None
    attempts.leave(again, stop)
    await ended.wait()
    assert stopped == ["r"]


async def test_a_run_that_could_not_be_created_is_tried_again_with_the_same_key() -> None:
    """So that the platform makes one run, whichever try reached it."""
    keys: list[str | None] = []

    async def start(key: str | None) -> dict[str, Any]:
        keys.append(key)
        if len(keys) == 1:
            raise ApiError(502, "LOST", "No answer.")
        return {"response_id": "r"}

    attempts = Attempts()
    with pytest.raises(ApiError):
        await attempts.join(identity(), start)
    await attempts.join(identity(retry="1"), start)
    assert keys[0] == keys[1] is not None


async def test_closing_stops_what_waits_for_a_retry() -> None:
    """Nothing is left to run for nobody."""
    stopped: list[str] = []

    async def start(_key: str | None) -> dict[str, Any]:
        return {"response_id": "r"}

    async def stop(run_id: str) -> None:
        stopped.append(run_id)

    attempts = Attempts()
    attempts.leave(await attempts.join(identity(), start), stop)
    await attempts.close()
    assert stopped == ["r"]
