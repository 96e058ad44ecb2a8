"""Messages of a thread as LangChain's messages, tagged with the thread that holds them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage
from langchain_core.messages.tool import tool_call

from lumnisai_core import Message, ResponseObject
from lumnisai_integrations._shared.conversation import PERSISTED, THREAD_ID
from lumnisai_integrations._shared.structured import StructuredOutputError, object_of
from lumnisai_integrations._shared.tools import Tool, ToolOffer
from lumnisai_integrations.langchain.convert import convert_out

_END_OF_RESULT = "\n[end of tool result]"


def stored_messages(runs: Iterable[ResponseObject], thread_id: str) -> list[BaseMessage]:
    """Return the messages that runs of a thread store.

    Tool calls and their results, which are texts on the wire, become ``tool_calls`` and ``ToolMessage`` again.

    Args:
        runs: The runs, oldest first.
        thread_id: The thread, for ``additional_kwargs``.
    """
    messages: list[BaseMessage] = []
    unanswered: list[ToolCall] = []
    for run in runs:
        for index, sent in enumerate(run.input_messages):
            message = _sent_message(sent, unanswered)
            message.id = f"{run.response_id}-{index}"  # the same each time, so that graph states hold it once
            messages.append(message)
        if run.output_text or run.structured_response is not None:
            answer = _answer(run)
            unanswered += answer.tool_calls
            messages.append(answer)
    for message in messages:
        message.additional_kwargs = {THREAD_ID: thread_id, PERSISTED: True}
    return messages


def unsent_message(message: BaseMessage, thread_id: str | None) -> BaseMessage:
    """Return a copy of a message for the next run.

    Args:
        message: The message.
        thread_id: The thread it will be sent to, if there is one yet.
    """
    others = {name: value for name, value in message.additional_kwargs.items() if name not in (THREAD_ID, PERSISTED)}
    tags = {} if thread_id is None else {THREAD_ID: thread_id, PERSISTED: False}
    return message.model_copy(update={"additional_kwargs": others | tags})


def _answer(run: ResponseObject) -> AIMessage:
    run = run.model_copy(update={"progress": []})  # progress is not part of the conversation
    try:
        answer = convert_out(run, structured=run.structured_response is not None, offer=_offer_of(run))
    except StructuredOutputError:
        return convert_out(run, structured=True)
    for index, call in enumerate(answer.tool_calls):
        call["id"] = f"call_{run.response_id}_{index}"  # the same each time; its result may bring the real one
    return answer


def _offer_of(run: ResponseObject) -> ToolOffer | None:
    value = object_of(run) or {}
    if isinstance(value.get("tool_calls"), list):
        names = [call.get("name") for call in value["tool_calls"] if isinstance(call, Mapping)]
        return ToolOffer(tuple(Tool(name) for name in dict.fromkeys(names) if isinstance(name, str) and name))
    if run.structured_response is not None and list(value) == ["content"] and isinstance(value["content"], str):
        return ToolOffer(())
    return None


def _sent_message(sent: Message, unanswered: list[ToolCall]) -> BaseMessage:
    match str(sent.role):
        case "system":
            return SystemMessage(sent.content)
        case "assistant":
            message = _calling_message(sent.content)
            unanswered += message.tool_calls
            return message
        case _:
            return _tool_message(sent.content, unanswered) or HumanMessage(sent.content)


def _calling_message(text: str) -> AIMessage:
    content, _, last_line = text.rpartition("\n")
    listed = _object(last_line).get("tool_calls")
    calls = [_tool_call(item) for item in listed] if isinstance(listed, list) else []
    known = [call for call in calls if call is not None]
    return AIMessage(content, tool_calls=known) if known and len(known) == len(calls) else AIMessage(text)


def _tool_call(item: Any) -> ToolCall | None:
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str) or not isinstance(item.get("args"), dict):
        return None
    return tool_call(name=item["name"], args=item["args"], id=str(item.get("id")))


def _tool_message(text: str, unanswered: list[ToolCall]) -> ToolMessage | None:
    head, _, rest = text.partition("\n")
    result = _object(head).get("tool_result")
    if not isinstance(result, Mapping) or not rest.endswith(_END_OF_RESULT.lstrip("\n")):
        return None
    call = _call_of(result, unanswered)
    if call is None:  # other providers refuse a result without its call
        return None
    unanswered.remove(call)
    call["id"] = str(result.get("id") or call["id"])
    return ToolMessage(
        rest.removesuffix(_END_OF_RESULT),
        name=call["name"],
        tool_call_id=call["id"],
        status="error" if result.get("status") == "error" else "success",
    )


def _call_of(result: Mapping[str, Any], unanswered: Sequence[ToolCall]) -> ToolCall | None:
    by_id = (call for call in unanswered if call["id"] == result.get("id"))
    by_name = (call for call in unanswered if call["name"] == result.get("name"))
    return next(by_id, None) or next(by_name, None)


def _object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
