from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from llama_index.core import ChatPromptTemplate, PromptTemplate
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, Field

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.local import Script, Step
from lumnisai_integrations.llama_index import LumnisLLM, StructuredOutputError
from tests.llama_index.conftest import HELLO, Collector, Stage

#: StructuredLLM of llama-index-core streams with pydantic's old ``json`` method.
OLD_JSON = pytest.mark.filterwarnings("ignore:The `json` method is deprecated")


class Tide(BaseModel):
    kind: str
    hour: int


class Forecast(BaseModel):
    place: str
    day: date | None = None
    tides: list[Tide] = Field(default_factory=list)
    best: Tide | None = None


VALUE: dict[str, Any] = {
    "place": "Brest",
    "day": "2030-05-01",
    "tides": [{"kind": "high", "hour": 12}],
    "best": None,
}
FORECAST = Forecast(place="Brest", day=date(2030, 5, 1), tides=[Tide(kind="high", hour=12)])
PROMPT = PromptTemplate("Forecast for {place}, please.")


@pytest.fixture
def llm(make: Callable[..., LumnisLLM], stage: Stage) -> LumnisLLM:
    stage.play(Script(steps=[Step("Reading.")], output_text="Done.", structured_response=VALUE))
    return make(progress_interval=0.05)


def test_predict(llm: LumnisLLM, stage: Stage) -> None:
    """The schema goes out as ``response_format``, the prompt as it is, and the object comes back, nested parts too."""
    assert llm.structured_predict(Forecast, PROMPT, place="Brest") == FORECAST
    [request] = stage.requests
    assert request.response_format == Forecast.model_json_schema()
    assert [(item.role, item.content) for item in request.messages] == [("user", "Forecast for Brest, please.")]


async def test_apredict(llm: LumnisLLM) -> None:
    """The asynchronous twin returns the same."""
    assert await llm.astructured_predict(Forecast, PROMPT, place="Brest") == FORECAST


def test_optional_parts(llm: LumnisLLM, stage: Stage) -> None:
    """What the object may leave out gets its default."""
    stage.play(Script(structured_response={"place": "Brest"}))
    assert llm.structured_predict(Forecast, PROMPT, place="Brest") == Forecast(place="Brest")


def test_object_as_text(llm: LumnisLLM, stage: Stage) -> None:
    """An object that comes only as JSON text is read too."""
    stage.play(Script(output_text=f"```json\n{json.dumps(VALUE)}\n```"))
    assert llm.structured_predict(Forecast, PROMPT, place="Brest") == FORECAST


def test_stream(llm: LumnisLLM) -> None:
    """A structured stream yields the object once, at the end."""
    assert list(llm.stream_structured_predict(Forecast, PROMPT, place="Brest")) == [FORECAST]


async def test_astream(llm: LumnisLLM) -> None:
    """The asynchronous stream yields the same."""
    stream = await llm.astream_structured_predict(Forecast, PROMPT, place="Brest")
    assert [item async for item in stream] == [FORECAST]


def test_system_prompt(make: Callable[..., LumnisLLM], stage: Stage) -> None:
    """The system prompt of the LLM comes first."""
    stage.play(Script(structured_response=VALUE))
    llm = make(system_prompt="Be exact.")
    llm.structured_predict(Forecast, PROMPT, place="Brest")
    list(llm.stream_structured_predict(Forecast, PROMPT, place="Brest"))
    for request in stage.requests:
        assert [(item.role, item.content) for item in request.messages] == [
            ("system", "Be exact."),
            ("user", "Forecast for Brest, please."),
        ]


def test_chat_prompt(llm: LumnisLLM, stage: Stage) -> None:
    """A prompt of several messages stays one."""
    prompt = ChatPromptTemplate([ChatMessage(role="system", content="Be exact."), ChatMessage(content="{place}?")])
    llm.structured_predict(Forecast, prompt, place="Brest")
    assert [item.content for item in stage.requests[0].messages] == ["Be exact.", "Brest?"]


def test_parameters_of_the_run(llm: LumnisLLM, stage: Stage) -> None:
    """``llm_kwargs`` are parameters of the run and stay as they are."""
    given = {"model": "openai:o3"}
    llm.structured_predict(Forecast, PROMPT, llm_kwargs=given, place="Brest")
    assert stage.requests[0].model_overrides == {"smart_model": "openai:o3"}
    assert given == {"model": "openai:o3"}


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        (Script(output_text="I would rather not."), "no object.*rather not"),
        (Script(output_text='{"place": 5}'), "does not fit Forecast: place: Input should be a valid string"),
        (Script(output_text='{"place": "Brest", "tides": [{"kind": "high"}]}'), r"tides\.0\.hour: Field required"),
    ],
)
async def test_no_object(llm: LumnisLLM, stage: Stage, script: Script, complaint: str) -> None:
    """A run without a fitting object raises everywhere, says what is wrong and carries the run."""
    stage.play(script)
    with pytest.raises(StructuredOutputError, match=complaint) as caught:
        llm.structured_predict(Forecast, PROMPT, place="Brest")
    assert caught.value.response is not None
    assert caught.value.response_id == stage.requests[0].response_id
    with pytest.raises(StructuredOutputError, match=complaint):
        list(llm.stream_structured_predict(Forecast, PROMPT, place="Brest"))
    with pytest.raises(StructuredOutputError, match=complaint):
        await llm.astructured_predict(Forecast, PROMPT, place="Brest")
    with pytest.raises(StructuredOutputError, match=complaint):
        [item async for item in await llm.astream_structured_predict(Forecast, PROMPT, place="Brest")]


def test_events(llm: LumnisLLM, events: Collector) -> None:
    """A prediction is announced with its start, its chat and its end, and every event can be written as JSON."""
    llm.structured_predict(Forecast, PROMPT, place="Brest")
    kinds = [event.class_name() for event in events.seen if event.class_name() != "LumnisProgressEvent"]
    assert kinds == [
        "LLMStructuredPredictStartEvent",
        "LLMChatStartEvent",
        "LLMChatEndEvent",
        "LLMStructuredPredictEndEvent",
    ]
    assert events.of("LLMStructuredPredictEndEvent")[0].output == FORECAST
    for event in (*events.of("LLMChatStartEvent"), *events.of("LLMChatEndEvent")):
        assert event.model_dump_json()


async def test_async_events(llm: LumnisLLM, events: Collector) -> None:
    """The asynchronous prediction is announced likewise."""
    await llm.astructured_predict(Forecast, PROMPT, place="Brest")
    assert [len(events.of(f"LLMStructuredPredict{end}Event")) for end in ("Start", "End")] == [1, 1]


def test_no_tools(llm: LumnisLLM, stage: Stage) -> None:
    """A prediction is one run that answers with the object: tools are refused before anything is sent."""
    with pytest.raises(ValidationError, match="does not take tools"):
        llm.structured_predict(Forecast, PROMPT, llm_kwargs={"tools": [{"name": "add"}]}, place="Brest")
    assert stage.requests == []


def test_other_program_modes(make: Callable[..., LumnisLLM], stage: Stage) -> None:
    """Another program mode leaves the work to LlamaIndex' programs, which ask for JSON text."""
    stage.play(Script(output_text=json.dumps(VALUE)))
    llm = make(pydantic_program_mode=PydanticProgramMode.LLM)
    assert llm.structured_predict(Forecast, PROMPT, place="Brest") == FORECAST
    assert list(llm.stream_structured_predict(Forecast, PROMPT, place="Brest"))
    assert {request.response_format for request in stage.requests} == {None}


async def test_other_program_modes_async(make: Callable[..., LumnisLLM], stage: Stage) -> None:
    """So does the asynchronous half."""
    stage.play(Script(output_text=json.dumps(VALUE)))
    llm = make(pydantic_program_mode=PydanticProgramMode.LLM)
    assert await llm.astructured_predict(Forecast, PROMPT, place="Brest") == FORECAST
    assert [item async for item in await llm.astream_structured_predict(Forecast, PROMPT, place="Brest")]
    assert {request.response_format for request in stage.requests} == {None}


def test_structured_llm(llm: LumnisLLM, stage: Stage) -> None:
    """``as_structured_llm`` answers with the object as JSON text and as ``raw``; braces in messages are no template."""
    structured = llm.as_structured_llm(Forecast)
    answer = structured.chat([ChatMessage(content="Forecast for {Brest}?")])
    assert answer.raw == FORECAST
    assert Forecast.model_validate_json(answer.message.content or "") == FORECAST
    assert structured.complete("Brest?").text == answer.message.content
    assert stage.requests[0].messages[0].content == "Forecast for {Brest}?"


@OLD_JSON
def test_structured_llm_stream(llm: LumnisLLM) -> None:
    """``as_structured_llm`` streams the object."""
    [chunk] = llm.as_structured_llm(Forecast).stream_chat(HELLO)
    assert chunk.raw == FORECAST


@OLD_JSON
async def test_structured_llm_async(llm: LumnisLLM) -> None:
    """``as_structured_llm`` works in asynchronous code."""
    structured = llm.as_structured_llm(Forecast)
    assert (await structured.achat(HELLO)).raw == FORECAST
    assert [chunk.raw async for chunk in await structured.astream_chat(HELLO)] == [FORECAST]
    assert json.loads((await structured.acomplete("Brest?")).text)["place"] == "Brest"


def test_response_format_of_a_chat(llm: LumnisLLM) -> None:
    """A plain call takes ``response_format`` too and shows the object in ``raw``."""
    assert llm.chat(HELLO, response_format=Forecast).raw["structured_response"] == VALUE  # type: ignore[index]
