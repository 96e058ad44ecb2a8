"""LangServe: served chains run for the user and in the thread that the caller's config names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable
from langserve import RemoteRunnable, add_routes

from lumnisai_core import Client
from lumnisai_integrations.langchain import ChatLumnis, LumnisRunnable, LumnisTool
from tests.thirdparty.conftest import Play, Stage
from tests.thirdparty.moves import Says

QUESTION, ANSWER = "When is high tide?", "High tide is at noon."


@contextmanager
def served(runnable: Runnable[Any, Any], **options: Any) -> Iterator[str]:
    """Serve a runnable on a port of its own; the block gets its address."""
    app = FastAPI()
    add_routes(app, runnable, path="/it", **options)
    ready = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            ready.set()

    server = Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert ready.wait(30)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/it"
    finally:
        server.should_exit = True
        thread.join()


PROMPT = ChatPromptTemplate.from_messages([("human", "{question}")])
#: What is served, and what is sent to it.
SERVED: dict[str, tuple[Callable[[ChatLumnis], Runnable[Any, Any]], Any]] = {
    "model": (lambda model: model, QUESTION),
    "chain": (lambda model: PROMPT | model | StrOutputParser(), {"question": QUESTION}),
    "bound": (lambda model: model.bind(stop=["END"]), QUESTION),
    "configured": (lambda model: model.with_config(tags=["served"]), QUESTION),
    "retrying": (lambda model: model.with_retry(stop_after_attempt=2), QUESTION),
    "falling back": (lambda model: model.with_fallbacks([model]), QUESTION),
}


def text_of(result: Any) -> str:
    return result if isinstance(result, str) else str(result.text)


def a_thread(stage: Stage, user_id: str) -> str:
    with Client(**stage.address, user_id=user_id) as client:
        return client.threads.create().thread_id


@pytest.mark.parametrize("kind", SERVED)
async def test_a_served_runnable_runs_for_the_user_of_the_config(kind: str, play: Play) -> None:
    """In every way of calling it: LangServe hands on the keys of a config that the runnable declares, and no others."""
    build, question = SERVED[kind]
    stage = play(plan=lambda _: Says(ANSWER))
    thread_id = a_thread(stage, "ann")
    config: Any = {"configurable": {"lumnis_user_id": "ann", "lumnis_thread_id": thread_id}}
    with served(build(stage.chat())) as address:
        remote: Any = RemoteRunnable(address)
        assert text_of(remote.invoke(question, config)) == ANSWER
        assert text_of(await remote.ainvoke(question, config)) == ANSWER
        assert [text_of(one) for one in remote.batch([question], config)] == [ANSWER]
        assert ANSWER in "".join(text_of(chunk) for chunk in remote.stream(question, config))
        await remote.async_client.aclose()  # LangServe itself closes it at exit only, when its event loop is gone
    assert len(stage.runs("ann")) == 4
    assert {run.thread_id for run in stage.runs("ann")} == {thread_id}


def test_each_call_has_its_own_user(play: Play) -> None:
    stage = play(plan=lambda _: Says(ANSWER))
    with served(stage.chat()) as address:
        remote: Any = RemoteRunnable(address)
        configs: list[Any] = [{"configurable": {"lumnis_user_id": user}} for user in ("ann", "bob")]
        remote.batch([QUESTION, QUESTION], configs)
        remote.invoke(QUESTION)
    assert [len(stage.runs(user)) for user in ("ann", "bob", "user-123")] == [1, 1, 1]


def test_a_server_can_set_the_user(play: Play) -> None:
    """Who is logged in decides, not what the caller writes."""
    stage = play(Says(ANSWER))

    def of_request(config: dict[str, Any], request: Any) -> dict[str, Any]:
        configurable = {**config.get("configurable", {}), "lumnis_user_id": request.headers["x-user"]}
        return {**config, "configurable": configurable}

    with served(stage.chat(), per_req_config_modifier=of_request) as address:
        remote: Any = RemoteRunnable(address, headers={"x-user": "ann"})
        remote.invoke(QUESTION, {"configurable": {"lumnis_user_id": "mallory"}})
    assert len(stage.runs("ann")) == 1
    assert stage.runs("mallory") == []


def test_a_served_agent_and_tool_run_for_the_user_of_the_config(play: Play) -> None:
    stage = play(Says(ANSWER), Says(ANSWER))
    config: Any = {"configurable": {"lumnis_user_id": "ann"}}
    with served(LumnisRunnable(**stage.address, user_id="user-123") | (lambda run: run.output_text)) as address:
        assert RemoteRunnable(address).invoke(QUESTION, config) == ANSWER
    with served(LumnisTool(**stage.address, user_id="user-123")) as address:
        assert ANSWER in str(RemoteRunnable(address).invoke({"task": QUESTION}, config))
    assert len(stage.runs("ann")) == 2


def test_the_schema_of_the_config_shows_user_and_thread(play: Play) -> None:
    """So that the playground and generated clients offer them."""
    with served(PROMPT | play().chat()) as address:
        schema = httpx.get(f"{address}/config_schema").text
    assert "lumnis_user_id" in schema
    assert "lumnis_thread_id" in schema
