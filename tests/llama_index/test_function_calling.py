from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, TextBlock, ToolCallBlock
from llama_index.core.program.function_program import FunctionCallingProgram
from llama_index.core.tools import FunctionTool
from llama_index.core.tools.types import ToolMetadata
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel

from lumnisai_core import ResponseObject
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.local import LocalLumnis, Script, Step
from lumnisai_core.tools import ToolOffer
from lumnisai_integrations.llama_index import LumnisLLM, StructuredOutputError
from lumnisai_integrations.llama_index.lumnis.convert import convert_out
from lumnisai_integrations.llama_index.lumnis.function_calling import offer_of, plain_tool
from tests.llama_index.conftest import ANSWER, HELLO, Collector, Stage


class Place(BaseModel):
    name: str


class Tide(BaseModel):
    """A tide."""

    hour: int


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


class Trip(BaseModel):
    place: Place
    days: int = 1


def forecast(place: dict[str, str], days: int = 1) -> str:
    """Forecast the tides of a place."""
    return f"{place['name']}: {days}"


MULTIPLY = FunctionTool.from_defaults(multiply)
FORECAST = FunctionTool.from_defaults(forecast, fn_schema=Trip)
TOOLS = [MULTIPLY, FORECAST]


def calls(*given: tuple[str, Any], steps: tuple[Step, ...] = ()) -> Script:
    """A run that asks for calls."""
    value = {"tool_calls": [{"name": name, "args": args} for name, args in given]}
    return Script(steps=steps, output_text="Calling tools.", structured_response=value)


def says(text: str) -> Script:
    """A run that was offered tools and answers."""
    return Script(output_text=text, structured_response={"content": text})


def _blocks(answer: ChatResponse) -> list[tuple[str, Any]]:
    return [(block.tool_name, block.tool_kwargs) for block in answer.message.blocks if isinstance(block, ToolCallBlock)]


SIX_TIMES_SEVEN = ("multiply", {"a": 6, "b": 7})
RUN: dict[str, Any] = {"response_id": "r1", "thread_id": "t1", "status": "succeeded"}
BREST = ("forecast", {"place": {"name": "Brest"}, "days": 2})


# What goes out


def test_a_tool_is_plain_data_under_its_own_name() -> None:
    """A tool is described as JSON; the name by which LlamaIndex finds it stays as it is."""
    tool = FunctionTool.from_defaults(multiply, name="Pair[int] product")
    described = plain_tool(tool)["function"]
    assert (described["name"], described["description"][-21:]) == ("Pair[int] product", "Multiply two numbers.")
    assert set(described["parameters"]["properties"]) == {"a", "b"}
    assert json.loads(json.dumps(plain_tool(FORECAST))) == plain_tool(FORECAST)


PLAIN = {"name": "add", "description": "Add.", "parameters": {"type": "object", "properties": {"a": {}}}}


@pytest.mark.parametrize(
    "given",
    [
        PLAIN,
        {"type": "function", "function": PLAIN},
        {"name": "add", "description": "Add.", "input_schema": PLAIN["parameters"]},
    ],
)
def test_tools_in_all_forms(given: dict[str, Any]) -> None:
    """Tools may be dicts of OpenAI or Anthropic; an object of LlamaIndex is a tool as well."""
    offer = offer_of({"tools": [given, MULTIPLY]}, None)
    assert offer is not None
    assert [tool.name for tool in offer.tools] == ["add", "multiply"]
    assert (offer.tools[0].description, offer.tools[0].parameters) == ("Add.", PLAIN["parameters"])


@pytest.mark.parametrize(
    ("keywords", "complaint"),
    [
        ({"tools": [multiply]}, r"tools\[0\] must be a tool"),
        ({"tools": [{"description": "nameless"}]}, r"tools\[0\] must be a tool"),
        ({"tools": [PLAIN], "tool_choice": "subtract"}, "names 'subtract', but the tools are add"),
        ({"tool_choice": "required"}, "there are no tools"),
        ({"tools": [PLAIN], "tool_choice": 7}, "tool_choice=7 is not known"),
    ],
)
def test_unusable_tools(llm: LumnisLLM, stage: Stage, keywords: dict[str, Any], complaint: str) -> None:
    """Tools and choices that cannot work are refused before anything is sent."""
    with pytest.raises(ValidationError, match=complaint):
        llm.chat(HELLO, **keywords)
    assert stage.requests == []


@pytest.mark.parametrize(
    ("choice", "schema"),
    [
        (None, "Turn"),
        ("auto", "Turn"),
        ("required", "ToolCalls"),
        ("any", "ToolCalls"),
        (True, "ToolCalls"),
        ("multiply", "ToolCalls"),
        ({"type": "function", "function": {"name": "multiply"}}, "ToolCalls"),
    ],
)
def test_choice_of_tools(llm: LumnisLLM, stage: Stage, choice: Any, schema: str) -> None:
    """Every form of ``tool_choice`` decides which answers the schema allows."""
    stage.play(calls(SIX_TIMES_SEVEN))
    llm.chat(HELLO, tools=[PLAIN | {"name": "multiply"}], tool_choice=choice)
    assert stage.requests[0].response_format["title"] == schema  # type: ignore[index]


def test_no_tools_wanted(llm: LumnisLLM, stage: Stage) -> None:
    """With ``tool_choice="none"`` or an empty list a run is asked as without tools."""
    for keywords in ({"tools": [PLAIN], "tool_choice": "none"}, {"tools": [], "tool_choice": "auto"}, {"tools": None}):
        assert llm.chat(HELLO, **keywords).message.content == ANSWER
    assert {request.response_format for request in stage.requests} == {None}


def test_prepared_chat(llm: LumnisLLM) -> None:
    """Preparing a chat leaves the history alone and returns JSON besides the messages."""
    history = [ChatMessage(role="system", content="Be exact.")]
    prepared = llm._prepare_chat_with_tools(TOOLS, "6 times 7?", history, tool_required=True, model="openai:o3")
    messages = prepared.pop("messages")
    assert [message.content for message in messages] == ["Be exact.", "6 times 7?"]
    assert len(history) == 1
    assert json.loads(json.dumps(prepared)) == prepared
    assert (prepared["tool_choice"], prepared["parallel_tool_calls"], prepared["model"]) == (
        "required",
        False,
        "openai:o3",
    )
    own = llm._prepare_chat_with_tools(TOOLS, ChatMessage(content="?"), tool_required=True, tool_choice="multiply")
    assert own["tool_choice"] == "multiply"


def test_two_tools_of_one_name() -> None:
    """Of two tools with one name the last is offered, which is the one that LlamaIndex runs."""
    offer = offer_of({"tools": [PLAIN, MULTIPLY, PLAIN | {"description": "Sum."}]}, None)
    assert offer is not None
    assert [(tool.name, tool.description) for tool in offer.tools if tool.name == "add"] == [("add", "Sum.")]


def test_instructions_are_kept(llm: LumnisLLM, stage: Stage) -> None:
    """The caller's own guidance comes before that on tools."""
    stage.play(says("Hi."))
    llm.chat(HELLO, tools=[PLAIN], response_format_instructions="Answer in French.")
    assert str(stage.requests[0].response_format_instructions).startswith("Answer in French.\n\n")


# What comes back


def test_chat_with_tools(llm: LumnisLLM, stage: Stage) -> None:
    """Calls come back as blocks with arguments as dicts, each with an id of its own."""
    stage.play(calls(SIX_TIMES_SEVEN, BREST))
    answer = llm.chat_with_tools(TOOLS, "Go.", allow_parallel_tool_calls=True)
    assert _blocks(answer) == [SIX_TIMES_SEVEN, BREST]
    selections = llm.get_tool_calls_from_response(answer)
    assert [(call.tool_name, call.tool_kwargs) for call in selections] == [SIX_TIMES_SEVEN, BREST]
    assert len({call.tool_id for call in selections}) == 2
    assert isinstance(answer.raw, dict)


async def test_achat_with_tools(llm: LumnisLLM, stage: Stage) -> None:
    """An answer in words is the message's content, and no call."""
    stage.play(says("42"))
    answer = await llm.achat_with_tools(TOOLS, "Go.")
    assert answer.message.content == "42"
    assert llm.get_tool_calls_from_response(answer, error_on_no_tool_call=False) == []


def test_an_answer_without_envelope(llm: LumnisLLM, stage: Stage) -> None:
    """An agent that answers in plain words although it was given a schema is understood."""
    assert llm.chat_with_tools(TOOLS, "Go.").message.content == ANSWER


def test_stream_chat_with_tools(llm: LumnisLLM, stage: Stage) -> None:
    """A stream shows the steps first; the calls come with its last chunk, and no chunk before has any."""
    stage.play(calls(SIX_TIMES_SEVEN, steps=(Step("Choosing.", tool_calls=[{"name": "search", "args": {"q": "6"}}]),)))
    chunks = list(llm.stream_chat_with_tools(TOOLS, "Go.", progress_interval=0.05))
    found = [llm.get_tool_calls_from_response(chunk, error_on_no_tool_call=False) for chunk in chunks]
    assert [len(item) for item in found] == [0] * (len(chunks) - 1) + [1]
    assert "".join(chunk.additional_kwargs.get("thinking_delta", "") for chunk in chunks).startswith(
        "Choosing.\nsearch"
    )
    assert not any("tool_calls" in chunk.message.additional_kwargs for chunk in chunks[:-1])


async def test_astream_chat_with_tools(make: Callable[..., LumnisLLM], stage: Stage) -> None:
    """An answer in words streams as text, in pieces if wanted."""
    stage.play(says("forty-two"))
    llm = make(stream_chunk_size=4)
    chunks = [chunk async for chunk in await llm.astream_chat_with_tools(TOOLS, "Go.")]
    assert [chunk.delta for chunk in chunks] == ["fort", "y-tw", "o"]
    assert chunks[-1].message.content == "forty-two"


def test_one_call_at_a_time(caplog: pytest.LogCaptureFixture) -> None:
    """Where one call at a time is wanted, further ones wait, which is logged."""
    offer = offer_of({"tools": TOOLS, "parallel_tool_calls": False}, None)
    several = [{"name": name, "args": args} for name, args in (SIX_TIMES_SEVEN, BREST)]
    answer = convert_out(ResponseObject(**RUN, structured_response={"tool_calls": several}), offer)
    assert _blocks(answer) == [SIX_TIMES_SEVEN]
    assert "forecast is left out" in caplog.text


def test_answer_schema_and_tools(llm: LumnisLLM, stage: Stage) -> None:
    """With ``response_format`` besides tools the answer is that object, as JSON text."""
    stage.play(Script(structured_response={"content": {"hour": 12}}), calls(SIX_TIMES_SEVEN))
    for schema in (Tide, Tide.model_json_schema()):
        stage.play(Script(structured_response={"content": {"hour": 12}}), calls(SIX_TIMES_SEVEN))
        answer = llm.chat(HELLO, tools=[plain_tool(MULTIPLY)], response_format=schema)
        assert Tide.model_validate_json(answer.message.content or "") == Tide(hour=12)
        assert _blocks(llm.chat(HELLO, tools=[plain_tool(MULTIPLY)], response_format=schema)) == [SIX_TIMES_SEVEN]


def test_predict_and_call(llm: LumnisLLM, stage: Stage) -> None:
    """The framework runs the chosen tool and returns what it says."""
    stage.play(calls(BREST))
    result = llm.predict_and_call(TOOLS, "Brest, two days?")
    assert (str(result), result.sources[0].tool_name) == ("Brest: 2", "forecast")


async def test_apredict_and_call(llm: LumnisLLM, stage: Stage) -> None:
    """So does the asynchronous half, with several calls at once."""
    stage.play(calls(SIX_TIMES_SEVEN, ("multiply", {"a": 2, "b": 2})))
    result = await llm.apredict_and_call(TOOLS, "Go.", allow_parallel_tool_calls=True)
    assert str(result) == "42\n\n4"


def test_no_call(llm: LumnisLLM, stage: Stage) -> None:
    """Whoever needs a call gets an error that carries the run and says what came instead."""
    stage.play(says("I would rather not."))
    with pytest.raises(StructuredOutputError, match=r"rather not.*instead of calling a tool") as caught:
        llm.predict_and_call(TOOLS, "Go.")
    assert caught.value.response_id == stage.requests[0].response_id
    assert str(llm.predict_and_call(TOOLS, "Go.", error_on_no_tool_call=False)) == "I would rather not."


def _answer(*given: Any) -> ChatResponse:
    offer = offer_of({"tools": TOOLS}, None)
    assert isinstance(offer, ToolOffer)
    return convert_out(ResponseObject(**RUN, structured_response={"tool_calls": list(given)}), offer)


@pytest.mark.parametrize(
    ("call", "problem", "name"),
    [
        ({"name": "multiply", "args": [6, 7]}, r"The arguments are not an object: \[6, 7\]", "multiply (its arg"),
        ({"name": "multiply", "args": "6 7"}, "multiply: The arguments are not an object", "multiply (its arguments"),
        ({"args": {"a": 1}}, "A call: The call does not name a tool", "without a name"),
        ({"name": "divide", "args": {"a": 1}}, "There is no tool 'divide', only multiply, forecast", "divide"),
        ("multiply", "A call: ", "without a name"),
    ],
)
def test_calls_that_cannot_be_run(llm: LumnisLLM, call: Any, problem: str, name: str) -> None:
    """They are told to whoever needs calls; an agent gets them under a name that no tool has, and runs nothing."""
    answer = _answer(call)
    with pytest.raises(StructuredOutputError, match=problem):
        llm.get_tool_calls_from_response(answer)
    [selection] = llm.get_tool_calls_from_response(answer, error_on_no_tool_call=False)
    assert selection.tool_name.startswith(name)
    assert selection.tool_name not in {"multiply", "forecast"}


def test_neither_calls_nor_answer(llm: LumnisLLM, stage: Stage) -> None:
    """A run that returns something else raises, with the run."""
    stage.play(Script(structured_response={"content": None}))
    offer = offer_of({"tools": TOOLS}, None)
    with pytest.raises(StructuredOutputError, match="neither tool calls nor content"):
        convert_out(ResponseObject(**RUN, structured_response={"other": 1}), offer)


@pytest.mark.parametrize(
    "message", [ChatMessage(), ChatMessage(role="assistant", content=""), ChatMessage(blocks=[TextBlock(text="x")])]
)
def test_empty_chunks(llm: LumnisLLM, message: ChatMessage) -> None:
    """Chunks without calls, even empty ones, are no error in a stream."""
    assert llm.get_tool_calls_from_response(ChatResponse(message=message), error_on_no_tool_call=False) == []


def test_calls_of_the_service_are_no_calls_of_the_caller(llm: LumnisLLM, stage: Stage) -> None:
    """What the agent uses on the platform is progress: no block, no ``tool_calls``, in chat and in streams."""
    stage.play(
        Script(steps=[Step("Searching.", tool_calls=[{"name": "multiply", "args": {"a": 1, "b": 1}}])], output_text="1")
    )
    for answer in (
        llm.chat_with_tools(TOOLS, "Go."),
        *llm.stream_chat_with_tools(TOOLS, "Go.", progress_interval=0.05),
    ):
        assert _blocks(answer) == []
        assert "tool_calls" not in answer.message.additional_kwargs


def test_events_can_be_written(llm: LumnisLLM, stage: Stage, events: Collector, local: LocalLumnis) -> None:
    """The events of a chat with tools can be written as JSON, tools and calls included; none shows the API key."""
    stage.play(calls(SIX_TIMES_SEVEN))
    llm.chat_with_tools(TOOLS, "Go.")
    [start], [end] = events.of("LLMChatStartEvent"), events.of("LLMChatEndEvent")
    assert "Multiply two numbers." in start.model_dump_json()
    assert "multiply" in end.model_dump_json()
    assert not any(local.api_key in event.model_dump_json() for event in events.seen)


def test_programs_of_the_framework(make: Callable[..., LumnisLLM], stage: Stage) -> None:
    """LlamaIndex' program that makes objects through tools works, blocking and streamed."""
    stage.play(calls(("Tide", {"hour": 12})))
    llm = make(pydantic_program_mode=PydanticProgramMode.FUNCTION)
    program = FunctionCallingProgram.from_defaults(output_cls=Tide, prompt_template_str="When is {what}?", llm=llm)
    assert program(what="high tide") == Tide(hour=12)
    assert stage.requests[0].response_format["title"] == "ToolCalls"  # type: ignore[index]
    assert list(program.stream_call(what="high tide"))[-1] == Tide(hour=12)
    assert llm.structured_predict(Tide, program.prompt, what="high tide") == Tide(hour=12)


async def test_programs_of_the_framework_async(llm: LumnisLLM, stage: Stage) -> None:
    """So does its asynchronous half, for several objects at once."""
    stage.play(calls(("Tide", {"hour": 0}), ("Tide", {"hour": 12})))
    program = FunctionCallingProgram.from_defaults(
        output_cls=Tide, prompt_template_str="When?", llm=llm, allow_parallel_tool_calls=True
    )
    assert await program.acall() == [Tide(hour=0), Tide(hour=12)]
    assert [item async for item in await program.astream_call()][-1] == [Tide(hour=0), Tide(hour=12)]


def test_a_tool_without_schema(llm: LumnisLLM, stage: Stage) -> None:
    """A tool that takes one text has a schema, too."""
    tool = FunctionTool(lambda input: input, metadata=ToolMetadata("Echo.", name="echo", fn_schema=None))  # noqa: A006
    stage.play(calls(("echo", {"input": "hi"})))
    assert str(llm.predict_and_call([tool], "Go.")) == "hi"
