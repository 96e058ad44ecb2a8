"""OpenAILike of LlamaIndex in front of the endpoint."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.llms import ChatMessage, MessageRole
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from lumnisai_core.local import LocalLumnis
from tests.openai.engine import Act, Stage

like = pytest.importorskip("llama_index.llms.openai_like", reason="pip install llama-index-llms-openai-like")

QUESTION = [ChatMessage("When is high tide?")]


@pytest.fixture
def llm(local: LocalLumnis, stage: Stage) -> Any:
    """The class as its documentation sets it up."""
    stage.clear()
    address = {"api_base": local.openai_base_url, "api_key": local.api_key}
    return like.OpenAILike(model="lumnis", is_chat_model=True, is_function_calling_model=True, **address)


def get_tide(port: str) -> str:
    """Tide at a port."""
    return f"noon at {port}"


def test_chat_and_complete(llm: Any, stage: Stage) -> None:
    """An answer in words, with the counts of tokens."""
    stage.play(Act(usage={"input_tokens": 7, "output_tokens": 3}))
    answer = llm.chat(QUESTION)
    assert answer.message.content == "High at noon."
    assert answer.raw.usage.total_tokens == 10
    assert llm.complete("When is high tide?").text == "High at noon."


def test_streams(llm: Any, stage: Stage) -> None:
    """In the pieces in which it was written."""
    stage.play(Act(pieces=["High ", "at noon."]), Act(pieces=["High ", "at noon."]))
    assert [chunk.delta for chunk in llm.stream_chat(QUESTION) if chunk.delta][-1].endswith("noon.")
    *_, last = llm.stream_complete("When is high tide?")
    assert last.text == "High at noon."


async def test_over_asyncio(llm: Any, stage: Stage) -> None:
    """The same."""
    assert (await llm.achat(QUESTION)).message.content == "High at noon."
    stage.play(Act(pieces=["High ", "at noon."]))
    chunks = [chunk async for chunk in await llm.astream_chat(QUESTION)]
    assert chunks[-1].message.content == "High at noon."


def test_tools(llm: Any, stage: Stage) -> None:
    """A call of a tool, and an answer after its result."""
    calls = {"tool_calls": [{"name": "get_tide", "args": {"port": "Brest"}}], "content": None}
    stage.play(Act(None, calls), Act("x", {"tool_calls": None, "content": "At noon."}))
    tools = [FunctionTool.from_defaults(get_tide)]
    first = llm.chat_with_tools(tools, chat_history=QUESTION)
    (call,) = llm.get_tool_calls_from_response(first)
    assert (call.tool_name, call.tool_kwargs) == ("get_tide", {"port": "Brest"})
    about = {"tool_call_id": call.tool_id, "name": "get_tide"}
    result = ChatMessage(get_tide(**call.tool_kwargs), role=MessageRole.TOOL, additional_kwargs=about)
    second = llm.chat_with_tools(tools, chat_history=[*QUESTION, first.message, result])
    assert second.message.content == "At noon."
    assert '"name": "get_tide"' in stage.requests[1].messages[-1].content


class Tide(BaseModel):
    """The tide at a port."""

    port: str
    hour: int


def test_structured_output(llm: Any, stage: Stage) -> None:
    """By the way that the class has for it."""
    stage.play(Act(None, {"tool_calls": [{"name": "Tide", "args": {"port": "Brest", "hour": 12}}]}))
    assert llm.as_structured_llm(Tide).chat(QUESTION).raw == Tide(port="Brest", hour=12)
