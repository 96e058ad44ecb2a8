from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from lumnisai_core import Client
from lumnisai_core.exceptions import (
    AuthenticationError,
    RunCancelledError,
    RunFailedError,
    RunTimeoutError,
    TransportError,
)
from lumnisai_core.local import Script, Step
from lumnisai_integrations.llama_index import LumnisLLM
from tests.llama_index.conftest import ENDLESS, HELLO, Stage

FAILS = Script(steps=[Step("Searching.")], error=("NO_BUDGET", "The budget is used up."))


def test_failed_run(llm: LumnisLLM, stage: Stage) -> None:
    """A failed run raises with the service's reason, from every blocking method."""
    stage.play(FAILS)
    for call in (
        lambda: llm.chat(HELLO),
        lambda: llm.complete("Hello"),
        lambda: list(llm.stream_chat(HELLO)),
        lambda: list(llm.stream_complete("Hello")),
    ):
        with pytest.raises(RunFailedError, match="budget is used up") as caught:
            call()
        assert caught.value.response_id


async def test_failed_run_async(llm: LumnisLLM, stage: Stage) -> None:
    """A failed run raises from every asynchronous method."""
    stage.play(FAILS)
    with pytest.raises(RunFailedError):
        await llm.achat(HELLO)
    with pytest.raises(RunFailedError):
        await llm.acomplete("Hello")
    with pytest.raises(RunFailedError):
        [chunk async for chunk in await llm.astream_chat(HELLO)]
    with pytest.raises(RunFailedError):
        [chunk async for chunk in await llm.astream_complete("Hello")]


def test_failed_run_streams_its_progress_first(llm: LumnisLLM, stage: Stage) -> None:
    """The steps of a run that fails are seen before its error."""
    stage.play(FAILS)
    stream = llm.stream_chat(HELLO, progress_interval=0.05)
    assert next(stream).additional_kwargs["thinking_delta"] == "Searching.\n"
    with pytest.raises(RunFailedError):
        next(stream)


def test_cancelled_run(llm: LumnisLLM, stage: Stage, client: Client) -> None:
    """A run that somebody else cancels raises."""
    stage.play(ENDLESS)
    stream = llm.stream_chat(HELLO, progress_interval=0.05)
    client.responses.cancel(next(stream).raw["response_id"])  # type: ignore[index]
    with pytest.raises(RunCancelledError):
        list(stream)


def test_run_timeout(llm: LumnisLLM, stage: Stage, client: Client) -> None:
    """A run past its deadline raises with its id and goes on."""
    stage.play(ENDLESS)
    with pytest.raises(RunTimeoutError) as caught:
        llm.chat(HELLO, run_timeout=0.1)
    assert client.responses.get(caught.value.response_id).status == "in_progress"
    client.responses.cancel(caught.value.response_id)


def test_wrong_key(make: Callable[..., LumnisLLM]) -> None:
    """A wrong key is an authentication error that does not show it."""
    with pytest.raises(AuthenticationError) as caught:
        make(api_key="lmn_wrong_secret").chat(HELLO)
    assert caught.value.status_code == 401
    assert "lmn_wrong_secret" not in str(caught.value)


def _closed_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


async def test_unreachable(make: Callable[..., LumnisLLM]) -> None:
    """A service that is not there is a transport error, blocking and asynchronous, chat and stream."""
    llm = make(base_url=_closed_port(), max_retries=0)
    with pytest.raises(TransportError):
        llm.chat(HELLO)
    with pytest.raises(TransportError):
        list(llm.stream_chat(HELLO))
    with pytest.raises(TransportError):
        await llm.achat(HELLO)
    with pytest.raises(TransportError):
        [chunk async for chunk in await llm.astream_chat(HELLO)]
