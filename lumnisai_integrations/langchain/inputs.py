"""Inputs of LumnisRunnable: messages for a new run, or the id of an existing one. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from langchain_core.messages import BaseMessage, HumanMessage, MessageLikeRepresentation, convert_to_messages
from langchain_core.prompt_values import PromptValue

from lumnisai_core import InvokeParameters, RunParameters
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.runs import WATCH_FIELDS
from lumnisai_integrations.langchain.calls import RunCall, from_config, refuse_listener, run_call

#: Input of :class:`LumnisRunnable`: a question in any of LangChain's forms, a graph state with ``messages``, or
#: ``{"response_id": ...}``.
LumnisInput = str | PromptValue | BaseMessage | Sequence[MessageLikeRepresentation] | Mapping[str, Any]

_OWN_KEYWORDS = frozenset({"model", "model_name", "history"})
_NEW_RUN_KEYWORDS = (frozenset(InvokeParameters.__annotations__) | _OWN_KEYWORDS) - {"on_progress"}
_START_KEYWORDS = frozenset(RunParameters.__annotations__) | _OWN_KEYWORDS


@dataclass(frozen=True, slots=True)
class KnownRun:
    """A run that exists.

    Attributes:
        response_id: Id of the run.
        parameters: How to watch it.
    """

    response_id: str
    parameters: dict[str, Any]


def run_of_input(
    fields: Mapping[str, Any], value: object, configurable: Mapping[str, Any] | None, keywords: Mapping[str, Any]
) -> RunCall | KnownRun:
    """Return the run of one call; its keywords win over the config, the config over the fields.

    Raises:
        ValidationError: The input cannot be read or sent.
        TypeError: There is no such keyword.
    """
    messages = read_input(value)
    if isinstance(messages, str):
        _refuse_unknown(keywords.keys(), set(WATCH_FIELDS))
        return KnownRun(messages, {name: fields[name] for name in WATCH_FIELDS} | dict(keywords))
    _refuse_unknown(keywords.keys(), _NEW_RUN_KEYWORDS)
    return run_call(fields, messages, None, {**from_config(configurable or {}), **keywords})


def start_of_input(
    fields: Mapping[str, Any], value: object, configurable: Mapping[str, Any] | None, keywords: Mapping[str, Any]
) -> RunCall:
    """Return a run that is only started: like :func:`run_of_input`, without parameters for watching."""
    _refuse_unknown(keywords.keys(), _START_KEYWORDS)
    run = run_of_input(fields, value, configurable, keywords)
    if isinstance(run, KnownRun):
        raise ValidationError(f"{run.response_id} is a run already: follow it with resume({run.response_id!r}).")
    return RunCall(
        run.messages, {name: value for name, value in run.parameters.items() if name in RunParameters.__annotations__}
    )


def read_input(value: object) -> list[BaseMessage] | str:
    """Return the messages of an input, or the id of the run it names.

    Raises:
        ValidationError: The input has an unknown form.
    """
    if isinstance(value, Mapping):
        return _read_mapping(value)
    if not isinstance(value, PromptValue) and hasattr(value, "messages"):
        return _messages(value.messages)  # a graph state that is a class
    return _messages(value)


def _read_mapping(state: Mapping[str, Any]) -> list[BaseMessage] | str:
    messages, response_id = state.get("messages"), state.get("response_id")
    if messages is not None and response_id is not None:
        raise ValidationError(
            'The input has both "messages", which start a new run, and "response_id", which names an existing one: '
            "pass one of them. In a graph whose state has both, call resume(state['response_id']) for the existing run."
        )
    if messages is not None:
        return _messages(messages)
    if isinstance(response_id, str | UUID):
        return str(response_id)
    raise ValidationError(
        'A dict needs "messages" (a new run) or "response_id" (an existing run); this one has '
        f"{', '.join(map(repr, state)) or 'nothing'}. For other keys put a prompt or a function in front: "
        '(lambda state: state["question"]) | runnable.'
    )


def _messages(value: object) -> list[BaseMessage]:
    if isinstance(value, str):
        return [HumanMessage(value)]
    if isinstance(value, BaseMessage):
        return [value]
    if isinstance(value, PromptValue):
        return value.to_messages()
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        try:
            return convert_to_messages(cast("Sequence[MessageLikeRepresentation]", value))
        except (ValueError, NotImplementedError) as error:
            raise ValidationError(f"The messages cannot be read: {error}") from error
    raise ValidationError(
        'The input must be a text, messages, a prompt value, a dict with "messages", or {"response_id": ...}, '
        f"got a {type(value).__name__}."
    )


def _refuse_unknown(names: Set[str], known: Set[str]) -> None:
    refuse_listener(names)
    unknown = names - known
    if unknown:
        raise TypeError(f"unexpected keyword arguments {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
