from __future__ import annotations

import asyncio
from contextlib import aclosing, closing

import pytest
from llama_index.core import PromptTemplate
from pydantic import BaseModel

from lumnisai_core import Client, RunUpdate
from lumnisai_integrations.llama_index import LumnisLLM
from tests.llama_index.conftest import ENDLESS, HELLO, Collector, Stage


class Tide(BaseModel):
    hour: int


@pytest.fixture(autouse=True)
def _endless(stage: Stage) -> None:
    stage.play(ENDLESS)


def _last_status(stage: Stage, client: Client) -> str:
    return client.responses.get(stage.requests[-1].response_id).status


@pytest.mark.parametrize("call", ["stream_chat", "stream_complete"])
def test_close(llm: LumnisLLM, stage: Stage, client: Client, call: str) -> None:
    """Closing a stream stops the run on the service before ``close`` returns."""
    with closing(getattr(llm, call)(HELLO if "chat" in call else "Hello", progress_interval=0.05)) as stream:
        next(stream)
    assert _last_status(stage, client) == "cancelled"


def test_exception_in_the_loop(llm: LumnisLLM, stage: Stage, client: Client) -> None:
    """A consumer that fails stops the run too."""
    with pytest.raises(ZeroDivisionError), closing(llm.stream_chat(HELLO, progress_interval=0.05)) as stream:
        for _ in stream:
            _ = 1 / 0
    assert _last_status(stage, client) == "cancelled"


def test_dropped(llm: LumnisLLM, stage: Stage, client: Client) -> None:
    """A stream that is left by ``break`` and dropped stops the run."""
    for _ in llm.stream_chat(HELLO, progress_interval=0.05):
        break
    assert _last_status(stage, client) == "cancelled"


def test_listened_to(llm: LumnisLLM, stage: Stage, client: Client, events: Collector) -> None:
    """Handlers that keep every event do not keep the run alive."""
    with closing(llm.stream_chat(HELLO, progress_interval=0.05)) as stream:
        next(stream)
    assert _last_status(stage, client) == "cancelled"
    assert events.of("ExceptionEvent")


def test_run_goes_on_if_wanted(llm: LumnisLLM, stage: Stage, client: Client) -> None:
    """With ``cancel_on_interrupt=False`` leaving early leaves the run alone."""
    with closing(llm.stream_chat(HELLO, progress_interval=0.05, cancel_on_interrupt=False)) as stream:
        next(stream)
    assert _last_status(stage, client) == "in_progress"
    client.responses.cancel(stage.requests[-1].response_id)


def _interrupt(update: RunUpdate) -> None:
    if update.message:
        raise KeyboardInterrupt


def test_interrupt(llm: LumnisLLM, stage: Stage, client: Client) -> None:
    """Ctrl-C while waiting for an answer or an object stops the run."""
    with pytest.raises(KeyboardInterrupt):
        llm.chat(HELLO, progress_interval=0.05, on_progress=_interrupt)
    assert _last_status(stage, client) == "cancelled"
    watch = {"progress_interval": 0.05, "on_progress": _interrupt}
    with pytest.raises(KeyboardInterrupt):
        llm.structured_predict(Tide, PromptTemplate("When?"), llm_kwargs=watch)
    assert _last_status(stage, client) == "cancelled"


@pytest.mark.parametrize("call", ["astream_chat", "astream_complete"])
async def test_aclose(llm: LumnisLLM, stage: Stage, client: Client, call: str) -> None:
    """Closing an asynchronous stream stops the run before ``aclose`` returns."""
    stream = await getattr(llm, call)(HELLO if "chat" in call else "Hello", progress_interval=0.05)
    async with aclosing(stream):
        await anext(stream)
    assert await asyncio.to_thread(_last_status, stage, client) == "cancelled"


@pytest.mark.parametrize("reading", [True, False])
async def test_cancelled_task(llm: LumnisLLM, stage: Stage, client: Client, reading: bool) -> None:
    """Cancelling the task that reads, or that holds the stream open, stops the run before the task ends."""
    begun = asyncio.Event()

    async def consume() -> None:
        async with aclosing(await llm.astream_chat(HELLO, progress_interval=0.05)) as stream:
            async for _ in stream:
                begun.set()
                if not reading:
                    await asyncio.Event().wait()

    task = asyncio.create_task(consume())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(_last_status, stage, client) == "cancelled"


@pytest.mark.parametrize("call", ["achat", "astructured_predict"])
async def test_cancelled_call(llm: LumnisLLM, stage: Stage, client: Client, call: str) -> None:
    """Cancelling a task that waits for an answer stops the run before the task ends."""
    begun = asyncio.Event()

    def notice(update: RunUpdate) -> None:
        if update.message:
            begun.set()

    watch = {"progress_interval": 0.05, "on_progress": notice}
    task: asyncio.Future[object] = asyncio.ensure_future(
        llm.achat(HELLO, **watch)
        if call == "achat"
        else llm.astructured_predict(Tide, PromptTemplate("When?"), llm_kwargs=watch)
    )
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(_last_status, stage, client) == "cancelled"


async def test_dropped_async(llm: LumnisLLM, stage: Stage, client: Client) -> None:
    """An asynchronous stream that is left by ``break`` and dropped stops the run soon after."""
    async for _ in await llm.astream_chat(HELLO, progress_interval=0.05):
        break
    run = await asyncio.to_thread(client.responses.get, stage.requests[-1].response_id, wait=10)
    assert run.status == "cancelled"
