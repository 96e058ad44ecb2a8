"""From the fields of an LLM, a conversation and the keywords of a call to one run. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from llama_index.core.base.llms.types import ChatMessage
from pydantic import BaseModel

from lumnisai_core import InvokeParameters
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.runs import SAMPLING_PARAMETERS, asks_for_tenant_view, with_smart_model
from lumnisai_integrations._shared.schemas import plain_schema
from lumnisai_integrations._shared.tools import ToolOffer
from lumnisai_integrations.llama_index.conversation import continuation
from lumnisai_integrations.llama_index.convert import convert_in
from lumnisai_integrations.llama_index.function_calling import TOOL_KEYWORDS, offer_of

#: Fields of the LLM that a keyword of the same name replaces for one call.
RUN_FIELDS = (
    "scope",
    "user_id",
    "thread_id",
    "model",
    "model_overrides",
    "agent_config",
    "files",
    "options",
    "run_timeout",
    "progress_interval",
    "cancel_on_interrupt",
)


def run_parameters(fields: Mapping[str, Any], given: Mapping[str, Any]) -> InvokeParameters:
    """Settle the parameters of one run: a keyword of the call wins over the field of the same name.

    Args:
        fields: The values of :data:`RUN_FIELDS`.
        given: The keywords of the call. They stay as they are.
    """
    settled = {**fields, **given}
    model = settled.pop("model")
    if model is not None:
        overrides = _as_dict(settled["model_overrides"])
        settled["model_overrides"] = with_smart_model(overrides, model, of_this_call=bool(given.get("model")))
    if asks_for_tenant_view(given):
        settled["user_id"] = None
    return cast("InvokeParameters", settled)


def _as_dict(overrides: BaseModel | Mapping[str, Any] | None) -> dict[str, Any]:
    if isinstance(overrides, BaseModel):
        return overrides.model_dump(exclude_none=True)
    return dict(overrides or {})


#: Keywords of a call that are no parameters of the run.
_OWN = frozenset({"stream_chunk_size", "formatted"}) | TOOL_KEYWORDS | SAMPLING_PARAMETERS


@dataclass(frozen=True, slots=True)
class RunCall:
    """One run to make.

    Attributes:
        messages: What is sent: the messages that the thread does not hold yet.
        parameters: Keywords for the client's ``invoke``.
        offer: The tools that the caller runs; None without any.
        chunk_size: Longest ``delta`` of its stream in characters, or None.
    """

    messages: list[dict[str, str]]
    parameters: InvokeParameters
    offer: ToolOffer | None
    chunk_size: int | None


def run_call(fields: Mapping[str, Any], messages: Sequence[ChatMessage], given: Mapping[str, Any]) -> RunCall:
    """Describe the run of one call. What is given stays as it is.

    Args:
        fields: The fields of the LLM: those of :data:`RUN_FIELDS` and ``stream_chunk_size``.
        messages: The conversation, oldest first.
        given: The keywords of the call.

    Raises:
        ValidationError: Something about the run is not acceptable.
        TypeError: ``stream`` is among the keywords.
    """
    _refuse_others(messages)
    if "stream" in given:
        raise TypeError("unexpected keyword argument stream: streams are what stream_chat and stream_complete return.")
    parameters = run_parameters(
        {name: fields[name] for name in RUN_FIELDS},
        {name: value for name, value in given.items() if name not in _OWN},
    )
    continued = continuation(messages, parameters.get("thread_id"))
    parameters["thread_id"] = continued.thread_id
    offer = None
    if given.get("tools") or given.get("tool_choice"):
        offer = offer_of(given, _schema(parameters.get("response_format")))
    if offer is not None:
        instructions = parameters.get("response_format_instructions")
        parameters["response_format"] = offer.response_format()
        parameters["response_format_instructions"] = offer.instructions(instructions)
    chunk_size = given.get("stream_chunk_size", fields.get("stream_chunk_size"))
    return RunCall(convert_in(messages, continued.send), parameters, offer, chunk_size)


def _refuse_others(messages: Sequence[object]) -> None:
    for at, message in enumerate(messages):
        if not isinstance(message, ChatMessage):
            raise ValidationError(
                f"messages[{at}] is no ChatMessage but {type(message).__name__}: pass a list of "
                "ChatMessage(role=..., content=...)."
            )


def ignored_of(given: Mapping[str, Any]) -> set[str]:
    """Return which keywords have no effect, because the platform decides how its models are called."""
    return {name for name in given if name in SAMPLING_PARAMETERS and given[name] is not None}


def _schema(response_format: object) -> dict[str, Any] | None:
    if isinstance(response_format, type) and issubclass(response_format, BaseModel):
        return response_format.model_json_schema()
    return plain_schema(response_format) if isinstance(response_format, Mapping) else None
