"""Responses and conversations by the unmodified client of OpenAI."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai.types.responses import FunctionToolParam
from pydantic import BaseModel

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis
from tests.openai.engine import LONG, Act, Stage

TOOL: FunctionToolParam = {
    "type": "function",
    "name": "get_tide",
    "description": "Tide at a port.",
    "parameters": {"type": "object", "properties": {"port": {"type": "string"}}, "required": ["port"]},
    "strict": True,
}
CALLS = {"tool_calls": [{"name": "get_tide", "args": {"port": "Brest"}}], "content": None}


def ask(client: openai.OpenAI, text: Any = "When is high tide?", **options: Any) -> Any:
    return client.responses.create(**{"model": "lumnis", "input": text, **options})


def sent(stage: Stage) -> list[list[str]]:
    return [[message.content for message in request.input_messages] for request in stage.requests]


def test_an_answer(client: openai.OpenAI, stage: Stage) -> None:
    """Reasoning and text are items; the response repeats its request."""
    stage.play(Act(steps=["Looking"], usage={"input_tokens": 7, "output_tokens": 3}))
    made = ask(client, instructions="Be brief.", metadata={"a": "b"}, temperature=0.5, user="mira")
    assert (made.status, made.output_text, made.instructions) == ("completed", "High at noon.", "Be brief.")
    assert [item.type for item in made.output] == ["reasoning", "message"]
    assert made.output[0].summary[0].text == "Looking\n"
    assert (made.usage.input_tokens, made.usage.total_tokens) == (7, 10)
    assert (made.metadata, made.temperature, made.model, made.user) == ({"a": "b"}, 0.5, "lumnis", "mira")
    assert [(message.role, message.content) for message in stage.requests[0].messages] == [
        ("system", "Be brief."),
        ("user", "When is high tide?"),
    ]


def test_it_is_found_again(client: openai.OpenAI, stage: Stage) -> None:
    """Retrieved with everything, and with what was sent."""
    stage.play(Act(None, CALLS))
    made = ask(client, [{"role": "user", "content": "Tide at Brest?"}], tools=[TOOL], metadata={"a": "b"})
    assert client.responses.retrieve(made.id) == made
    assert made.output[-1].call_id
    (item,) = client.responses.input_items.list(made.id)
    assert item.content[0].text == "Tide at Brest?"  # type: ignore[union-attr, index] # a message with a text


def test_a_response_is_continued(client: openai.OpenAI, stage: Stage) -> None:
    """`previous_response_id` continues its thread; instructions are not repeated there."""
    first = ask(client, instructions="Be brief.")
    second = ask(client, "And low?", instructions="Be brief.", previous_response_id=first.id)
    assert second.conversation.id == first.conversation.id
    assert second.previous_response_id == first.id
    assert sent(stage) == [["Be brief.", "When is high tide?"], ["And low?"]]
    assert len(stage.requests[1].messages) == 4


def test_an_older_response_branches_off(client: openai.OpenAI, stage: Stage) -> None:
    """What was said after it is not part of the new thread."""
    first = ask(client, "One")
    second = ask(client, "Two", previous_response_id=first.id)
    branch = ask(client, "Three", previous_response_id=first.id)
    assert branch.conversation.id != second.conversation.id
    assert sent(stage)[-1] == ["One", "High at noon.", "Three"]


def test_a_conversation_is_a_thread(client: openai.OpenAI, local: LocalLumnis) -> None:
    """Made, continued, shown and deleted; clients of Lumnis see the same thread."""
    conversation = client.conversations.create()
    for text in ("One", "Two"):
        assert ask(client, text, conversation=conversation.id).conversation.id == conversation.id
    assert client.conversations.retrieve(conversation.id).created_at > 1_700_000_000
    with Client(local.api_key, base_url=local.base_url, scope="tenant") as lumnis:
        assert lumnis.threads.get(conversation.id.removeprefix("conv_")).response_count == 2
    assert client.conversations.delete(conversation.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.conversations.retrieve(conversation.id)


def test_tools_both_ways(client: openai.OpenAI, stage: Stage) -> None:
    """A call, then its result by the id of the call alone: the thread holds the rest, its name among it."""
    stage.play(Act(None, CALLS), Act("x", {"tool_calls": None, "content": "At noon."}))
    first = ask(client, tools=[TOOL])
    (call,) = [item for item in first.output if item.type == "function_call"]
    assert (call.name, json.loads(call.arguments)) == ("get_tide", {"port": "Brest"})
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "noon"}
    second = ask(client, [result], tools=[TOOL], previous_response_id=first.id)
    assert second.output_text == "At noon."
    head = json.loads(sent(stage)[1][0].splitlines()[0])
    assert head["tool_result"] == {"name": "get_tide", "id": call.call_id}


def test_items_of_a_whole_conversation(client: openai.OpenAI, stage: Stage) -> None:
    """Clients that keep the conversation send back what they got: reasoning, messages, calls and results."""
    stage.play(Act(None, CALLS, steps=["Looking"]))
    first = ask(client, tools=[TOOL])
    items = [item.model_dump(exclude_none=True) for item in first.output]
    result = {"type": "function_call_output", "call_id": items[-1]["call_id"], "output": "noon"}
    ask(client, [{"role": "user", "content": "When is high tide?"}, *items, result])
    roles = [message.role for message in stage.requests[1].messages]
    assert roles == ["user", "assistant", "user"]


class Tide(BaseModel):
    port: str
    hour: int


def test_a_structured_answer_is_parsed(client: openai.OpenAI, stage: Stage) -> None:
    """By the class of the caller, also read back."""
    stage.play(Act("Noon, at Brest.", {"port": "Brest", "hour": 12}))
    made = client.responses.parse(model="lumnis", input="Tide?", text_format=Tide)
    assert made.output_parsed == Tide(port="Brest", hour=12)
    assert json.loads(client.responses.retrieve(made.id).output_text) == {"port": "Brest", "hour": 12}


def test_events_stream_while_it_is_written(client: openai.OpenAI, stage: Stage) -> None:
    """In order and numbered; the first words come before the run has ended; the last event is the whole response."""
    act = Act(steps=["Looking"], pieces=["High ", "at ", "noon."], waits=True)
    stage.play(act)
    events = []
    for event in ask(client, stream=True):
        events.append(event)
        if event.type == "response.output_text.delta":
            act.go.set()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert deltas[0] == "High "
    assert "".join(deltas) == "High at noon."
    kinds = list(dict.fromkeys(event.type for event in events))
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.completed",
    ]
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert events[-1].response.output == done
    assert client.responses.retrieve(events[-1].response.id) == events[-1].response


def test_the_stream_helper_accumulates_calls(client: openai.OpenAI, stage: Stage) -> None:
    """Of the client, which checks the order of events."""
    stage.play(Act(None, CALLS))
    with client.responses.stream(model="lumnis", input="Tide?", tools=[TOOL]) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert "response.function_call_arguments.done" in kinds
    assert final.output[0].type == "function_call"
    assert final.output[0].arguments == '{"port": "Brest"}'


def test_a_failed_run(client: openai.OpenAI, stage: Stage) -> None:
    """An error when it is waited for, an event in a stream, and a state when it is found again."""
    failing = [Act(error=("LOW_TIDE", "There is no water.")) for _ in range(3)]
    stage.play(*failing)
    with pytest.raises(openai.InternalServerError, match="There is no water"):
        ask(client)
    *_, last = ask(client, stream=True)
    assert (last.type, last.response.status, last.response.error.code) == ("response.failed", "failed", "low_tide")
    begun = ask(client, background=True)
    found = wait(client, begun.id)
    assert (found.status, found.error.code, found.output) == ("failed", "low_tide", [])


def wait(client: openai.OpenAI, response_id: str) -> Any:
    """Follow a response to its end."""
    *_, last = client.responses.retrieve(response_id, stream=True)
    return last.response  # type: ignore[union-attr] # the last event has it


def test_background(client: openai.OpenAI, stage: Stage) -> None:
    """It is there at once, works without its client, and is found again when it has ended."""
    act = Act(waits=True)
    stage.play(act)
    begun = ask(client, background=True)
    assert begun.status in ("queued", "in_progress")
    assert begun.background
    assert act.started.wait(LONG)
    assert client.responses.retrieve(begun.id).status == "in_progress"
    act.go.set()
    assert wait(client, begun.id).output_text == "High at noon."


def test_cancel(client: openai.OpenAI, stage: Stage) -> None:
    """The run stops; cancelling again, or what has ended, changes nothing."""
    act = Act(waits=True)
    stage.play(act)
    begun = ask(client, background=True)
    assert act.started.wait(LONG)
    assert client.responses.cancel(begun.id).status == "cancelled"
    assert act.cancelled.wait(LONG)
    assert client.responses.cancel(begun.id).status == "cancelled"
    assert client.responses.cancel(ask(client).id).status == "completed"


REFUSED = [
    ({"input": ""}, "input", "not be empty|not empty"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type", "web_search"),
    ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]", "item_reference"),
    ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "messages[0].content[0]", "input_image"),
    ({"prompt": {"id": "p"}}, "prompt", "stored"),
    ({"previous_response_id": "resp_x", "conversation": "conv_x"}, "conversation", "exclude"),
    ({"conversation": 5}, "conversation", "5"),
    ({"text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "what"}}}}, "response_format", "what"),
]


@pytest.mark.parametrize(("options", "param", "word"), REFUSED)
def test_what_runs_do_not_have_is_refused(
    client: openai.OpenAI, stage: Stage, options: dict[str, Any], param: str, word: str
) -> None:
    """As a bad request that names the field, before any run is made."""
    with pytest.raises(openai.BadRequestError, match=word) as error:
        client.post("/responses", body={"model": "lumnis", "input": "x", **options}, cast_to=object)
    assert error.value.param == param
    assert stage.requests == []


def test_what_is_not_there(client: openai.OpenAI, stage: Stage) -> None:
    """Unknown ids, and those of other users, are not found."""
    made = ask(client, user="mira")
    unknown = "resp_00000000-0000-0000-0000-000000000000"
    for attempt in (
        lambda: client.responses.retrieve(unknown),
        lambda: client.responses.cancel(unknown),
        lambda: client.responses.input_items.list(unknown),
        lambda: ask(client, previous_response_id=unknown),
        lambda: ask(client, previous_response_id=made.id, user="tom"),
        lambda: client.conversations.retrieve("conv_00000000-0000-0000-0000-000000000000"),
    ):
        with pytest.raises(openai.NotFoundError):
            attempt()
    assert len(stage.requests) == 1


def test_a_response_is_deleted_with_its_conversation(client: openai.OpenAI) -> None:
    """By itself it cannot be, and the error says what can."""
    made = ask(client)
    with pytest.raises(openai.BadRequestError, match=str(made.conversation.id)):
        client.responses.delete(made.id)
    client.conversations.delete(made.conversation.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_other_tenants_see_nothing(local: LocalLumnis, address: str, client: openai.OpenAI) -> None:
    """A key reaches the runs of its own tenant."""
    made = ask(client)
    with openai.OpenAI(api_key=local.add_key(), base_url=address) as other:
        with pytest.raises(openai.NotFoundError):
            other.responses.retrieve(made.id)
