"""Progress in callbacks."""

from __future__ import annotations

import logging
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.callbacks import BaseCallbackHandler, StdOutCallbackHandler
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.langchain import LumnisProgressHandler
from lumnisai_integrations.langchain.lumnis.listeners import progress_callback
from tests.langchain.conftest import AsyncRecorder, Connect, Recorder

SAID = ["Starting.", "Reading the tide tables.", "Starting."]
LINES = ["PROCESSING: Starting.", "RESEARCHING: Reading the tide tables.", '  web_search(query="tides")',
         "PROCESSING: Starting."]  # fmt: skip


def chain_of(service: LocalLumnis, connect: Connect, **fields: Any) -> Any:
    return ChatPromptTemplate.from_template("{q}") | connect(service, **fields) | StrOutputParser()


async def test_callbacks_hear_progress_under_the_model_run(tides: LocalLumnis, connect: Connect) -> None:
    """In a chain each step reaches a callback once, with the id of the model's own run, blocking and with asyncio."""
    chain = chain_of(tides, connect)
    for invoke in (chain.invoke, chain.ainvoke):
        recorder = Recorder()
        answer = invoke({"q": "When?"}, {"callbacks": [recorder]})
        assert (answer if isinstance(answer, str) else await answer) == "High at noon."
        assert recorder.messages == SAID
        assert {run_id for run_id, _ in recorder.events} == set(recorder.model_runs)
        assert recorder.events[-1][1]["status"] == "succeeded"


async def test_coroutine_callbacks_hear_progress(tides: LocalLumnis, connect: Connect) -> None:
    """Asyncio handlers hear the same, also from blocking calls."""
    chain = chain_of(tides, connect)
    recorder = AsyncRecorder()
    await chain.ainvoke({"q": "When?"}, {"callbacks": [recorder]})
    assert recorder.messages == SAID
    blocking = AsyncRecorder()
    await RunnableLambda(chain.invoke).ainvoke({"q": "When?"}, {"callbacks": [blocking]})
    assert blocking.messages == SAID


async def test_the_progress_handler_shows_lines(tides: LocalLumnis, connect: Connect) -> None:
    """Invoke, stream, streaming models and event streams show the same lines, each once."""
    chain = chain_of(tides, connect)
    lines: list[str] = []
    config: Any = {"callbacks": [LumnisProgressHandler(lines.append)]}
    chain.invoke({"q": "When?"}, config)
    await chain.ainvoke({"q": "When?"}, config)
    list(chain.stream({"q": "When?"}, config))
    [part async for part in chain.astream({"q": "When?"}, config)]
    chain_of(tides, connect, streaming=True).invoke({"q": "When?"}, config)
    [event async for event in chain.astream_events({"q": "When?"}, config, version="v2")]
    assert lines == LINES * 6


def test_lines_go_to_standard_output(tides: LocalLumnis, connect: Connect, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a sink the handler prints."""
    connect(tides).invoke("When?", config={"callbacks": [LumnisProgressHandler()]})
    assert capsys.readouterr().out.splitlines() == LINES


def test_concurrent_runs_are_numbered() -> None:
    """Lines carry the number of their run from the second on until all are over; other models' runs do not count."""
    lines: list[str] = []
    handler = LumnisProgressHandler(lines.append)
    data = {"state": "planning", "message": "m", "tool_calls": []}
    first, second, foreign = uuid4(), uuid4(), uuid4()
    handler.on_chat_model_start({}, [], run_id=first, metadata={"ls_provider": "lumnis"})
    handler.on_chat_model_start({}, [], run_id=foreign, metadata={"ls_provider": "openai"})
    handler.on_custom_event("lumnis_progress", data, run_id=first)
    handler.on_chat_model_start({}, [], run_id=second, metadata={"ls_provider": "lumnis"})
    handler.on_custom_event("lumnis_progress", data, run_id=first)
    handler.on_custom_event("lumnis_progress", data, run_id=second)
    handler.on_custom_event("something_else", data, run_id=second)
    handler.on_custom_event("lumnis_progress", "not data", run_id=second)
    handler.on_llm_end(None, run_id=first)
    handler.on_custom_event("lumnis_progress", data, run_id=second)
    handler.on_llm_error(ValueError(), run_id=second)
    handler.on_llm_error(ValueError(), run_id=foreign)
    handler.on_custom_event("lumnis_progress", data, run_id=uuid4())
    labelled = ["[1] PLANNING: m", "[2] PLANNING: m", "[2] PLANNING: m", "[2] FAILED: ValueError"]
    assert lines == ["PLANNING: m", *labelled, "PLANNING: m"]


class Failing(BaseCallbackHandler):
    """Fails at every event, loudly."""

    raise_error = True

    def on_custom_event(self, *_: Any, **__: Any) -> None:
        raise RuntimeError("handler failed")


async def test_a_failing_handler_harms_no_run(
    tides: LocalLumnis, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """What a handler raises is logged; the run ends well."""
    caplog.set_level(logging.ERROR)
    model = connect(tides)
    assert model.invoke("When?", config={"callbacks": [Failing()]}).content == "High at noon."
    assert (await model.ainvoke("When?", config={"callbacks": [Failing()]})).content == "High at noon."
    assert "handler failed" in caplog.text


def test_nobody_listening_is_noticed() -> None:
    """Handlers that do not take custom events make no listener, so that polls stay long."""

    class Manager:
        handlers = (StdOutCallbackHandler(),)

    assert progress_callback(None) is None
    assert progress_callback(Manager()) is None  # type: ignore[arg-type]
