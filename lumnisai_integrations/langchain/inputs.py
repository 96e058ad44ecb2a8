"""From what a runnable is given to the run that is meant: a new one, or one that exists. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from langchain_core.messages import BaseMessage, HumanMessage, MessageLikeRepresentation, convert_to_messages
from langchain_core.prompt_values import PromptValue

from lumnisai_core import InvokeParameters, RunParameters, WatchParameters
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations.langchain.calls import from_config, run_call

#: What :class:`LumnisRunnable` takes: a question in any of LangChain's forms, a graph state with ``messages``, or
#: ``{"response_id": ...}``.
LumnisInput = str | PromptValue | BaseMessage | Sequence[MessageLikeRepresentation] | Mapping[str, Any]

_OWN_KEYWORDS = frozenset({"model", "model_name", "history"})
_NEW_RUN_KEYWORDS = (frozenset(InvokeParameters.__annotations__) | _OWN_KEYWORDS) - {"on_progress"}
_START_KEYWORDS = frozenset(RunParameters.__annotations__) | _OWN_KEYWORDS
_WATCH_KEYWORDS = frozenset(WatchParameters.__annotations__) - {"on_progress"}
_WATCH_FIELDS = ("run_timeout", "progress_interval", "cancel_on_interrupt")


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to make.

    Attributes:
        messages: The conversation as the wire takes it.
        parameters: What to run and how to watch it.
    """

    messages: list[dict[str, str]]
    parameters: dict[str, Any]


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
    fields: Mapping[str, Any], given: object, configurable: Mapping[str, Any] | None, keywords: Mapping[str, Any]
) -> NewRun | KnownRun:
    """Describe the run that one call means; its keywords win over the config, the config over the fields.

    Args:
        fields: The runnable's fields by name.
        given: The input.
        configurable: ``config["configurable"]``.
        keywords: What else the call says.

    Raises:
        ValidationError: The input cannot be read or sent.
        TypeError: There is no such keyword.
    """
    asked = read_input(given)
    if isinstance(asked, str):
        _refuse_unknown(keywords.keys(), _WATCH_KEYWORDS)
        return KnownRun(asked, {name: fields[name] for name in _WATCH_FIELDS} | dict(keywords))
    _refuse_unknown(keywords.keys(), _NEW_RUN_KEYWORDS)
    settings = {"idempotency_key": None, **fields}  # the key is that of one run, thus no field
    call = run_call(settings, asked, None, {**from_config(configurable or {}), **keywords})
    return NewRun(call.messages, call.parameters)


def start_of_input(
    fields: Mapping[str, Any], given: object, configurable: Mapping[str, Any] | None, keywords: Mapping[str, Any]
) -> NewRun:
    """Describe a run that is only started: as :func:`run_of_input`, without anything about watching."""
    _refuse_unknown(keywords.keys(), _START_KEYWORDS)
    run = run_of_input(fields, given, configurable, keywords)
    if isinstance(run, KnownRun):
        raise ValidationError(f"{run.response_id} is a run already: follow it with resume({run.response_id!r}).")
    return NewRun(
        run.messages, {name: value for name, value in run.parameters.items() if name in RunParameters.__annotations__}
    )


def read_input(given: object) -> list[BaseMessage] | str:
    """Return the messages of an input, or the id of the run it names.

    Raises:
        ValidationError: The input is of no known kind.
    """
    if isinstance(given, Mapping):
        return _read_mapping(given)
    if not isinstance(given, PromptValue) and hasattr(given, "messages"):
        return _messages(given.messages)  # a graph state that is a class
    return _messages(given)


def _read_mapping(given: Mapping[str, Any]) -> list[BaseMessage] | str:
    messages, response_id = given.get("messages"), given.get("response_id")
    if messages is not None and response_id is not None:
        raise ValidationError(
            'The input has both "messages", which make a new run, and "response_id", which names one that exists: pass '
            "one of them. In a graph whose state has both, call resume(state['response_id']) where that run is meant."
        )
    if messages is not None:
        return _messages(messages)
    if isinstance(response_id, str | UUID):
        return str(response_id)
    raise ValidationError(
        'A dict needs "messages" (a new run) or "response_id" (a run that exists); this one has '
        f"{', '.join(map(repr, given)) or 'nothing'}. For other keys put a prompt or a function in front: "
        '(lambda state: state["question"]) | runnable.'
    )


def _messages(given: object) -> list[BaseMessage]:
    if isinstance(given, str):
        return [HumanMessage(given)]
    if isinstance(given, BaseMessage):
        return [given]
    if isinstance(given, PromptValue):
        return given.to_messages()
    if isinstance(given, Sequence) and not isinstance(given, bytes | bytearray):
        try:
            return convert_to_messages(cast("Sequence[MessageLikeRepresentation]", given))
        except (ValueError, NotImplementedError) as error:
            raise ValidationError(f"The messages cannot be read: {error}") from error
    raise ValidationError(
        f"A {type(given).__name__} cannot be asked: pass a text, messages, a prompt value, "
        'a dict with "messages", or {"response_id": ...}.'
    )


def _refuse_unknown(names: Set[str], known: Set[str]) -> None:
    if "on_progress" in names:
        raise TypeError(
            'on_progress is not taken here: pass config={"callbacks": [...]}, such as LumnisProgressHandler.'
        )
    unknown = names - known
    if unknown:
        raise TypeError(f"unexpected keyword arguments {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
