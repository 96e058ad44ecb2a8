from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentStream, AgentWorkflow, BaseWorkflowAgent, FunctionAgent, ReActAgent
from workflows.errors import WorkflowCancelledByUser, WorkflowTimeoutError

from lumnisai_core import Client, RunUpdate
from lumnisai_integrations.llama_index import LumnisLLM, LumnisProgressEvent
from tests.llama_index.conftest import ENDLESS, Stage
from tests.llama_index.test_agents import multiply, pytestmark  # noqa: F401 - the same warnings
from tests.llama_index.test_function_calling import calls


@pytest.fixture
def llm(make: Callable[..., LumnisLLM], stage: Stage) -> LumnisLLM:
    stage.play(ENDLESS)
    return make(progress_interval=0.05)


async def _last_status(stage: Stage, client: Client) -> str:
    """Status of the last run, as soon as it is over."""
    run = await asyncio.to_thread(client.responses.get, stage.requests[-1].response_id, wait=10)
    return run.status


async def _until_it_works(handler: Any) -> None:
    async for event in handler.stream_events():
        if isinstance(event, AgentStream) or (isinstance(event, LumnisProgressEvent) and event.message):
            return


@pytest.mark.parametrize("kind", [FunctionAgent, ReActAgent])
@pytest.mark.parametrize("streaming", [True, False])
async def test_cancel_run(llm: LumnisLLM, stage: Stage, client: Client, kind: type[Any], streaming: bool) -> None:
    """``handler.cancel_run()`` reaches the service."""
    handler = kind(tools=[multiply], llm=llm, streaming=streaming).run("6 times 7?")
    await _until_it_works(handler)
    await handler.cancel_run()
    assert await _last_status(stage, client) == "cancelled"
    with contextlib.suppress(WorkflowCancelledByUser):
        await handler


async def test_cancel_run_of_several_agents(llm: LumnisLLM, stage: Stage, client: Client) -> None:
    """So does that of a workflow of several agents."""
    agents: list[BaseWorkflowAgent] = [
        FunctionAgent(name=name, description=name, tools=[multiply], llm=llm) for name in ("one", "two")
    ]
    handler = AgentWorkflow(agents, root_agent="one").run("6 times 7?")
    await _until_it_works(handler)
    await handler.cancel_run()
    assert await _last_status(stage, client) == "cancelled"
    with contextlib.suppress(WorkflowCancelledByUser):
        await handler


async def test_timeout_of_the_workflow(llm: LumnisLLM, stage: Stage, client: Client) -> None:
    """An agent whose time is up stops its run."""
    with pytest.raises(WorkflowTimeoutError):
        await FunctionAgent(tools=[multiply], llm=llm, timeout=0.3).run("6 times 7?")
    assert await _last_status(stage, client) == "cancelled"


async def test_cancelled_task(llm: LumnisLLM, stage: Stage, client: Client) -> None:
    """Cancelling a task that waits for a call of a tool stops the run before the task ends."""
    begun = asyncio.Event()

    def notice(update: RunUpdate) -> None:
        if update.message:
            begun.set()

    task = asyncio.ensure_future(llm.achat_with_tools([], "Go.", on_progress=notice))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await asyncio.to_thread(client.responses.get, stage.requests[-1].response_id)).status == "cancelled"


async def test_cancel_between_runs(llm: LumnisLLM, stage: Stage) -> None:
    """Cancelling while a tool is at work starts no further run."""
    stage.play(calls(("wait", {})), ENDLESS)
    waiting = asyncio.Event()

    async def wait() -> str:
        """Wait."""
        waiting.set()
        await asyncio.Event().wait()
        return "never"

    handler = FunctionAgent(tools=[wait], llm=llm).run("Go.")
    await waiting.wait()
    await handler.cancel_run()
    with contextlib.suppress(WorkflowCancelledByUser):
        await handler
    assert len(stage.requests) == 1


def test_interrupt_of_predict_and_call(llm: LumnisLLM, stage: Stage, client: Client) -> None:
    """Ctrl-C while waiting for a call of a tool stops the run."""

    def interrupt(update: RunUpdate) -> None:
        if update.message:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        llm.predict_and_call([], "Go.", on_progress=interrupt)
    assert client.responses.get(stage.requests[-1].response_id).status == "cancelled"
