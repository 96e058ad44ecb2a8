"""Runs of LlamaIndex's calls: the fields of an LLM, a conversation and keywords become one run. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from llama_index.core.base.llms.types import ChatMessage

from lumnisai_core import InvokeParameters
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.tools import ToolOffer, answer_schema
from lumnisai_integrations._shared.runs import (
    IGNORED_PARAMETERS,
    NOTHING,
    RUN_FIELDS,
    SILENT_KEYWORDS,
    STOP_KEYWORDS,
    TOOL_KEYWORDS,
    check_number,
    run_parameters,
    stops_of,
)
from lumnisai_integrations._shared.sending import Sent, Turn
from lumnisai_integrations.llama_index.lumnis.conversation import turn_of
from lumnisai_integrations.llama_index.lumnis.function_calling import offer_of

#: Keywords of a call that are not parameters of the run.
_OTHER_KEYWORDS = (
    frozenset({"stream_chunk_size", *STOP_KEYWORDS}) | TOOL_KEYWORDS | IGNORED_PARAMETERS | SILENT_KEYWORDS
)


@dataclass(frozen=True, slots=True)
class RunCall:
    """One run to make: the turn of its messages, and keywords of the client's ``invoke``.

    ``offer`` has the tools that the caller runs; ``chunk_size`` is the longest ``delta`` of a stream in characters;
    ``stop`` has texts before which an answer is cut off.
    """

    turn: Turn
    parameters: Mapping[str, Any]
    offer: ToolOffer | None
    chunk_size: int | None
    stop: list[str]

    def parameters_for(self, sent: Sent) -> InvokeParameters:
        """Return the keywords of ``invoke`` for the messages that are sent."""
        return cast("InvokeParameters", {**self.parameters, "thread_id": sent.thread_id})


def run_call(fields: Mapping[str, Any], messages: Sequence[ChatMessage], keywords: Mapping[str, Any]) -> RunCall:
    """Return the run of one call; its keywords win over the fields of the LLM, also with None."""
    for at, message in enumerate(messages):
        if not isinstance(message, ChatMessage):
            raise ValidationError(
                f"messages[{at}] must be a ChatMessage(role=..., content=...), got a {type(message).__name__}."
            )
    if "stream" in keywords:
        raise TypeError("stream is not a keyword: use stream_chat or stream_complete to stream.")
    own = {
        name: value
        for name, value in keywords.items()
        if name not in _OTHER_KEYWORDS and (name in ("model", *RUN_FIELDS) or value not in NOTHING)
    }
    parameters: Mapping[str, Any] = call_parameters(fields, own)
    turn = turn_of(messages, parameters["thread_id"])
    turn.check()
    chunk_size = keywords.get("stream_chunk_size", fields.get("stream_chunk_size"))
    if chunk_size is not None:
        check_number("stream_chunk_size", chunk_size, least=1)
    offer, answers_with_object = None, parameters.get("response_format") is not None
    if keywords.get("tools") or keywords.get("tool_choice"):
        offer = offer_of(keywords, parameters.get("response_format"))
    if offer is not None:
        parameters = offer.applied_to(parameters)
    stop = [] if answers_with_object else stops_of(keywords, fields)
    return RunCall(turn, parameters, offer, chunk_size, stop)


def call_parameters(fields: Mapping[str, Any], keywords: Mapping[str, Any]) -> InvokeParameters:
    """Return the parameters of one run; a keyword of the call wins over the field of the same name, also with None."""
    own = dict(keywords)
    model = own.pop("model", fields["model"])
    parameters = run_parameters(fields, own, model=model, model_of_call=bool(keywords.get("model")))
    return cast("InvokeParameters", parameters | {"response_format": answer_schema(parameters["response_format"])})
