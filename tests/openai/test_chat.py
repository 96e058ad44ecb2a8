"""Chat completions by the unmodified client of OpenAI."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionToolParam
from pydantic import BaseModel

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis
from tests.openai.engine import LONG, Act, Stage

USER: Any = {"role": "user", "content": "When is high tide?"}
TOOL: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_tide",
        "description": "Tide at a port.",
        "parameters": {"type": "object", "properties": {"port": {"type": "string"}}, "required": ["port"]},
    },
}


def ask(client: openai.OpenAI, *messages: Any, **options: Any) -> Any:
    return client.chat.completions.create(**{"model": "lumnis", "messages": list(messages) or [USER], **options})


def test_an_answer(client: openai.OpenAI, stage: Stage) -> None:
    """Text, usage and model come from the run; the steps of the agent are its reasoning."""
    usage = {"input_tokens": 7, "output_tokens": 3}
    stage.play(
        Act(steps=["Looking", "Reading"], calls=[{"name": "search", "args": {"q": "tide"}}], usage=usage, model="m1")
    )
    made = ask(client)
    choice = made.choices[0]
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", "High at noon.", "stop")
    assert choice.message.reasoning_content == 'Looking\nReading\nsearch(q="tide")\n'
    assert (made.usage.prompt_tokens, made.usage.completion_tokens, made.usage.total_tokens) == (7, 3, 10)
    assert made.model == "m1"
    assert made.created > 1_700_000_000


def test_usage_that_is_unknown_is_left_out(client: openai.OpenAI) -> None:
    """No number is made up."""
    made = ask(client)
    assert (made.usage, made.model) == (None, "lumnis")


def test_text_streams_while_it_is_written(client: openai.OpenAI, stage: Stage) -> None:
    """Steps come as reasoning and the first words as content before the run has ended; nothing comes twice."""
    act = Act(steps=["Looking"], pieces=["High ", "at ", "noon."], waits=True, usage={"input_tokens": 1})
    stage.play(act)
    stream = ask(client, stream=True, stream_options={"include_usage": True})
    chunks = []
    for chunk in stream:
        chunks.append(chunk)
        if chunk.choices and chunk.choices[0].delta.content:
            act.go.set()
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant"
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == "Looking\n"
    texts = [delta.content for delta in deltas if delta.content]
    assert texts[0] == "High "
    assert "".join(texts) == "High at noon."
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.prompt_tokens == 1
    assert len({chunk.id for chunk in chunks}) == 1


async def test_the_asynchronous_client_streams(local: LocalLumnis, address: str, stage: Stage) -> None:
    """The same over asyncio."""
    stage.clear()
    stage.play(Act(pieces=["High ", "at noon."]))
    async with openai.AsyncOpenAI(api_key=local.api_key, base_url=address) as client:
        stream = await client.chat.completions.create(model="lumnis", messages=[USER], stream=True)
        texts = [chunk.choices[0].delta.content async for chunk in stream]
    assert "".join(text or "" for text in texts) == "High at noon."


def test_a_stop_cuts_the_answer(client: openai.OpenAI, stage: Stage) -> None:
    """Whole and streamed, also when the stop comes in two pieces."""
    stage.play(Act("High EN"), Act("High END at noon."), Act(pieces=["High E", "ND at", " noon."]))
    assert ask(client, stop="END").choices[0].message.content == "High EN"
    assert ask(client, stop=["END"]).choices[0].message.content == "High "
    stream = ask(client, stop="END", stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "High "


def test_tools_both_ways(client: openai.OpenAI, stage: Stage) -> None:
    """The run is offered the tools; its calls are native ones; results go back with the names of their tools."""
    calls = [{"name": "get_tide", "args": {"port": "Brest"}}, {"name": "get_tide", "args": {"port": "Bremen"}}]
    stage.play(Act(None, {"tool_calls": calls, "content": None}), Act("x", {"tool_calls": None, "content": "At noon."}))
    first = ask(client, tools=[TOOL]).choices[0]
    assert first.finish_reason == "tool_calls"
    assert [json.loads(call.function.arguments) for call in first.message.tool_calls] == [
        call["args"] for call in calls
    ]
    assert len({call.id for call in first.message.tool_calls}) == 2
    results = [{"role": "tool", "tool_call_id": call.id, "content": "noon"} for call in first.message.tool_calls]
    second = ask(client, USER, first.message, *results, tools=[TOOL]).choices[0]
    assert (second.message.content, second.finish_reason) == ("At noon.", "stop")
    offered, continued = stage.requests
    assert "get_tide" in json.dumps(offered.response_format)
    assert [message.role for message in continued.messages] == ["user", "assistant", "user", "user"]
    assert json.loads(continued.messages[1].content)["tool_calls"][1]["args"] == {"port": "Bremen"}
    head = json.loads(continued.messages[2].content.splitlines()[0])
    assert head["tool_result"] == {"name": "get_tide", "id": first.message.tool_calls[0].id}


def test_tool_calls_stream(client: openai.OpenAI, stage: Stage) -> None:
    """The stream helper of the client puts the calls together."""
    stage.play(Act(None, {"tool_calls": [{"name": "get_tide", "args": {"port": "Brest"}}], "content": None}))
    with client.chat.completions.stream(model="lumnis", messages=[USER], tools=[TOOL]) as stream:
        made = stream.get_final_completion()
    (call,) = made.choices[0].message.tool_calls  # type: ignore[misc] # the type says None, because there is no format
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_tide", {"port": "Brest"})


def test_words_stream_although_tools_are_offered(client: openai.OpenAI, stage: Stage) -> None:
    """An answer in words does not wait for its end because the run could have called tools."""
    act = Act(pieces=["High ", "at noon."], value={"tool_calls": None, "content": "High at noon."}, waits=True)
    stage.play(act)
    texts = []
    for chunk in ask(client, tools=[TOOL], stream=True):
        if chunk.choices[0].delta.content:
            texts.append(chunk.choices[0].delta.content)
            act.go.set()
    assert texts[0] == "High "
    assert "".join(texts) == "High at noon."


@pytest.mark.parametrize(
    ("choice", "least"), [("required", 1), ({"type": "function", "function": {"name": "get_tide"}}, 1), ("none", None)]
)
def test_tool_choice(client: openai.OpenAI, stage: Stage, choice: Any, least: int | None) -> None:
    """Tools that must be called are required by the schema of the run; with none there is no schema."""
    forced = Act(None, {"tool_calls": [{"name": "get_tide", "args": {"port": "Brest"}}]})
    stage.play(forced if least else Act("Words."))
    made = ask(client, tools=[TOOL], tool_choice=choice).choices[0]
    schema = stage.requests[0].response_format
    assert (schema and schema["properties"]["tool_calls"].get("minItems")) == least
    assert made.finish_reason == ("tool_calls" if least else "stop")


class Tide(BaseModel):
    port: str
    hour: int


def test_a_structured_answer_is_parsed(client: openai.OpenAI, stage: Stage) -> None:
    """The schema of the class reaches the run, and the client parses the object."""
    stage.play(Act("Noon, at Brest.", {"port": "Brest", "hour": 12}))
    made = client.chat.completions.parse(model="lumnis", messages=[USER], response_format=Tide)
    assert made.choices[0].message.parsed == Tide(port="Brest", hour=12)
    schema = stage.requests[0].response_format
    assert schema is not None
    assert set(schema["properties"]) == {"port", "hour"}


def test_any_object(client: openai.OpenAI, stage: Stage) -> None:
    """`json_object` is an object without a schema of its own."""
    stage.play(Act(None, {"hour": 12}))
    made = ask(client, response_format={"type": "json_object"})
    assert json.loads(made.choices[0].message.content) == {"hour": 12}


def test_an_object_that_is_missing_is_an_error(client: openai.OpenAI, stage: Stage) -> None:
    """A text is not passed off as the object."""
    stage.play(Act("No object."))
    with pytest.raises(openai.InternalServerError) as error:
        ask(client, response_format={"type": "json_object"})
    assert error.value.code == "no_object"
    assert len(stage.requests) == 1


def test_the_user_has_threads_of_its_own(client: openai.OpenAI, local: LocalLumnis) -> None:
    """`user` is the user of the run."""
    made = ask(client, user="mira@example.org")
    with Client(local.api_key, base_url=local.base_url, user_id="mira@example.org") as lumnis:
        assert [thread.thread_id for thread in lumnis.threads.iter()] == [made.thread_id]


def test_a_thread_is_continued(client: openai.OpenAI, stage: Stage) -> None:
    """With `metadata.thread_id`, only what the thread lacks is sent: instructions only when they change."""
    system: Any = {"role": "system", "content": "Be brief."}
    first = ask(client, system, USER)
    answer: Any = {"role": "assistant", "content": "High at noon."}
    thread: Any = {"thread_id": first.thread_id}
    ask(client, system, USER, answer, {"role": "user", "content": "And low?"}, metadata=thread)
    ask(client, {"role": "system", "content": "Be long."}, {"role": "user", "content": "Why?"}, metadata=thread)
    sent = [[message.content for message in request.input_messages] for request in stage.requests]
    assert sent == [["Be brief.", "When is high tide?"], ["And low?"], ["Be long.", "Why?"]]
    assert len(stage.requests[2].messages) == 7


def test_parts_of_messages(client: openai.OpenAI, stage: Stage) -> None:
    """Text parts are joined, names are kept, older media become a line."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    parts = [{"type": "text", "text": "When is "}, {"type": "text", "text": "high tide?"}]
    ask(
        client,
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [picture]},
        {"role": "assistant", "content": "A port."},
        {"role": "user", "content": parts, "name": "Mira"},
    )
    (request,) = stage.requests
    assert [(message.role, message.content) for message in request.messages] == [
        ("system", "Be brief."),
        ("user", "[Left out: a part of type 'image_url']"),
        ("assistant", "A port."),
        ("user", "Mira: When is high tide?"),
    ]


REFUSED = [
    ({"n": 2}, "n", "one answer"),
    ({"logprobs": True}, "logprobs", "probabilities"),
    ({"modalities": ["text", "audio"]}, "modalities", "text"),
    ({"functions": [{"name": "f"}]}, "functions", "use tools"),
    ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type", "'function'"),
    ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "other"}}}, "tools", "other"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "what"}}}},
        "response_format",
        "what",
    ),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", "robot"),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages[0].content[0]", "input_audio"),
    ({"messages": []}, "messages", "at least 1"),
    ({"metadata": {"thread_id": 5}}, "metadata.thread_id", "5"),
]


@pytest.mark.parametrize(("options", "param", "word"), REFUSED)
def test_what_runs_do_not_have_is_refused(
    client: openai.OpenAI, stage: Stage, options: dict[str, Any], param: str, word: str
) -> None:
    """As a bad request that names the field, before any run is made."""
    with pytest.raises(openai.BadRequestError) as error:
        client.post("/chat/completions", body={"model": "lumnis", "messages": [USER], **options}, cast_to=object)
    assert error.value.param == param
    assert error.value.type == "invalid_request_error"
    assert word in error.value.message
    assert stage.requests == []


def test_settings_of_models_and_null_are_taken(client: openai.OpenAI, stage: Stage) -> None:
    """What every client sends does not fail, although an agent decides for itself how to call models."""
    nothing = dict.fromkeys(("stop", "tools", "tool_choice", "response_format", "user", "metadata", "n", "stream"))
    body = {"model": "lumnis", "messages": [USER], "temperature": 0, "max_tokens": 5, "seed": 1, "top_p": 1, **nothing}
    client.post("/chat/completions", body=body, cast_to=object)
    assert len(stage.requests) == 1


def test_models(client: openai.OpenAI, stage: Stage) -> None:
    """The engine, the agents by name, and models of providers."""
    assert [model.id for model in client.models.list()] == ["lumnis", "scribe"]
    assert client.models.retrieve("scribe").owned_by == "lumnis"
    ask(client, model="scribe")
    ask(client, model="openai:gpt-4o")
    assert stage.requests[0].specialized_agent == "scribe"
    assert stage.requests[1].model_overrides == {"smart_model": "openai:gpt-4o"}
    for attempt in (lambda: ask(client, model="gpt-9"), lambda: client.models.retrieve("gpt-9")):
        with pytest.raises(openai.NotFoundError, match="lumnis, scribe") as error:
            attempt()
        assert (error.value.code, error.value.param) == ("model_not_found", "model")


def test_errors_are_those_of_the_client(local: LocalLumnis, address: str, client: openai.OpenAI) -> None:
    """Each in the form from which the client makes its typed error; no key in it."""
    with openai.OpenAI(api_key="sk-wrong", base_url=address) as stranger:
        with pytest.raises(openai.AuthenticationError) as refused:
            ask(stranger)
    assert refused.value.code == "invalid_api_key"
    assert "sk-wrong" not in str(refused.value)
    with pytest.raises(openai.NotFoundError):
        ask(client, metadata={"thread_id": "00000000-0000-0000-0000-000000000000"})
    with pytest.raises(openai.NotFoundError, match="nothing at"):
        client.embeddings.create(model="lumnis", input="x")
    with pytest.raises(openai.BadRequestError, match="Invalid JSON"):
        client.post("/chat/completions", content=b"{", cast_to=object)
    with pytest.raises(openai.APIStatusError) as large:
        ask(client, {"role": "user", "content": "x" * 10_000_001})
    assert large.value.status_code == 413


def test_a_failed_run_is_an_error_without_a_retry(client: openai.OpenAI, stage: Stage) -> None:
    """The engine's code and message arrive; the client does not ask again for what would fail again."""
    stage.play(Act(error=("LOW_TIDE", "There is no water.")), Act(error=("MODEL_RATE_LIMITED", "Slowly.")))
    with pytest.raises(openai.InternalServerError, match="There is no water") as error:
        ask(client)
    assert error.value.code == "low_tide"
    with pytest.raises(openai.RateLimitError):
        ask(client)
    assert len(stage.requests) == 2


def test_a_failed_run_ends_its_stream_with_an_error(client: openai.OpenAI, stage: Stage) -> None:
    """After what was written, the client raises."""
    stage.play(Act(pieces=["High "], error=("LOW_TIDE", "There is no water.")))
    texts = []
    with pytest.raises(openai.APIError, match="There is no water"):
        for chunk in ask(client, stream=True):
            texts.append(chunk.choices[0].delta.content or "")
    assert "".join(texts) == "High "


def test_another_answer_than_the_streamed_one_is_a_paragraph(client: openai.OpenAI, stage: Stage) -> None:
    """Text that was sent cannot be taken back; the answer is whole all the same."""
    stage.play(Act(pieces=["Low."], value={"tool_calls": None, "content": "High."}))
    chunks = list(ask(client, tools=[TOOL], stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Low.\n\nHigh."


def test_other_hosts_are_refused(local: LocalLumnis, address: str) -> None:
    """The endpoint is as guarded as the rest: a page of another name cannot reach it by DNS."""
    headers = {"host": "evil.example", "authorization": f"Bearer {local.api_key}"}
    reply = httpx.get(f"{address}/models", headers=headers, timeout=LONG)
    assert reply.status_code == 421
    assert "access-control-allow-origin" not in reply.headers
