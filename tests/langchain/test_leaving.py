"""Whoever leaves early stops the run on the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import Any, cast

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis
from tests.langchain.conftest import USER, AsyncRecorder, Connect, assert_cancelled


def test_closing_a_stream_cancels(endless: LocalLumnis, connect: Connect) -> None:
    """A blocking stream that is closed after its first chunk stops the run."""
    stream = cast("Generator[Any, None, None]", connect(endless, progress_interval=0.1).stream("Work."))
    chunk = next(stream)
    stream.close()
    assert_cancelled(endless, chunk.id)


def test_breaking_out_of_a_stream_cancels(endless: LocalLumnis, connect: Connect) -> None:
    """A loop that is left by break stops the run as soon as nothing holds the stream any more."""
    seen: list[str] = []
    for chunk in connect(endless, progress_interval=0.1).stream("Work."):
        seen.append(chunk.id or "")
        break
    assert_cancelled(endless, seen[0])


def test_leaving_a_chain_cancels(endless: LocalLumnis, connect: Connect) -> None:
    """The stream of a chain passes the news on."""
    chain = ChatPromptTemplate.from_template("{q}") | connect(endless, progress_interval=0.1)
    stream = cast("Generator[Any, None, None]", chain.stream({"q": "Work."}))
    chunk = next(stream)
    stream.close()
    assert_cancelled(endless, chunk.id)


async def test_closing_an_asyncio_stream_cancels(endless: LocalLumnis, connect: Connect) -> None:
    """An asyncio stream that is closed after its first chunk stops the run."""
    stream = cast("AsyncGenerator[Any, None]", connect(endless, progress_interval=0.1).astream("Work."))
    chunk = await anext(stream)
    await stream.aclose()
    await asyncio.to_thread(assert_cancelled, endless, chunk.id)


async def test_cancelling_a_task_cancels(endless: LocalLumnis, connect: Connect) -> None:
    """A cancelled task stops the run it waits for, in a chain too."""
    working = asyncio.Event()
    ids: list[str] = []

    class Waiting(AsyncRecorder):
        async def on_custom_event(self, name: str, data: Any, **_: Any) -> None:
            if data["message"]:
                ids.append(data["response_id"])
                working.set()

    chain = ChatPromptTemplate.from_template("{q}") | connect(endless, progress_interval=0.1) | StrOutputParser()
    task = asyncio.ensure_future(chain.ainvoke({"q": "Work."}, {"callbacks": [Waiting()]}))
    await working.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(assert_cancelled, endless, ids[0])


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
async def test_leaving_the_events_of_an_asyncio_stream_cancels(endless: LocalLumnis, connect: Connect) -> None:
    """Who leaves the block of an event stream stops the run, though LangChain reads it in a task of its own."""
    model = connect(endless, progress_interval=0.1)
    async with await model.astream_events("Work.", version="v3") as events:
        first: Any = await anext(aiter(events))
    await asyncio.to_thread(assert_cancelled, endless, first["id"])


def test_runs_may_be_left_going_on(endless: LocalLumnis, connect: Connect) -> None:
    """With cancel_on_interrupt=False the run goes on."""
    stream = cast(
        "Generator[Any, None, None]", connect(endless, progress_interval=0.1, cancel_on_interrupt=False).stream("Work.")
    )
    chunk = next(stream)
    stream.close()
    with Client(endless.api_key, base_url=endless.base_url, user_id=USER) as client:
        assert client.responses.get(chunk.id).status == "in_progress"
