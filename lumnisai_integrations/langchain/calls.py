"""Runs of LangChain's calls: fields, config and keywords become one run. Pure, except for a warning."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.conversation import Answers, Continuation, continue_thread
from lumnisai_integrations._shared.runs import (
    HISTORIES,
    SAMPLING_PARAMETERS,
    TOOL_KEYWORDS,
    WATCH_FIELDS,
    History,
    ignored_parameters,
    ignored_warning,
    run_parameters,
)
from lumnisai_integrations._shared.tools import ToolOffer
from lumnisai_integrations.langchain.conversation import tags_of
from lumnisai_integrations.langchain.convert import AnswerOptions, convert_in
from lumnisai_integrations.langchain.function_calling import offer_of
from lumnisai_integrations.langchain.structured import json_schema_of

MessageT = TypeVar("MessageT", bound=BaseMessage)

#: Keywords that LangChain itself hands down and that do not concern the run.
_FRAMEWORK_KEYWORDS = frozenset({"stream", "strict", "ls_structured_output_format", "structured_output_format"})
#: Keywords that are not parameters of a run under the same name.
_OTHER_KEYWORDS = (
    frozenset({"model", "model_name", "history"}) | TOOL_KEYWORDS | SAMPLING_PARAMETERS | _FRAMEWORK_KEYWORDS
)

#: Keys of ``config["configurable"]`` and the parameters they stand for.
CONFIG_KEYS = {"lumnis_thread_id": "thread_id", "lumnis_user_id": "user_id"}


@dataclass(frozen=True, slots=True)
class RunCall:
    """One run to make.

    Attributes:
        messages: The conversation as the wire takes it.
        parameters: Keywords for the client's ``invoke``.
        model_name: The model of the run, or None for the platform's choice.
        stop: Texts before which the answer is cut off.
        offer: The tools that the run may call, or None.
    """

    messages: list[dict[str, str]]
    parameters: dict[str, Any]
    model_name: str | None = None
    stop: Sequence[str] = field(default=())
    offer: ToolOffer | None = None

    @property
    def answer_options(self) -> AnswerOptions:
        """How the answer becomes a message."""
        structured = self.parameters.get("response_format") is not None
        return {"model_name": self.model_name, "structured": structured, "stop": self.stop, "offer": self.offer}


def run_call(
    fields: Mapping[str, Any], messages: Sequence[BaseMessage], stop: Sequence[str] | None, keywords: Mapping[str, Any]
) -> RunCall:
    """Return the run of one call; its keywords win over the model's fields, also with None.

    ``thread_id=None`` starts a new thread, whatever the messages say.

    Raises:
        ValidationError: A message cannot be sent.
        TypeError: ``on_progress`` is among the keywords.
    """
    refuse_listener(keywords)
    ignored = ignored_parameters(keywords)
    if ignored:
        warn_of_ignored(ignored)
    parameters = _parameters(fields, keywords)
    offer = offer_of(keywords, parameters["response_format"]) if keywords.get("tools") else None
    if offer is not None:
        parameters = offer.applied_to(parameters)
    if _starts_new_thread(keywords):
        continued = Continuation(None, tuple(range(len(messages))))
    else:
        continued = continuation(messages, parameters["thread_id"], history_of(fields, keywords))
    parameters["thread_id"] = continued.thread_id
    wire_messages = convert_in(messages)
    return RunCall(
        messages=[wire_messages[at] for at in continued.send],
        parameters=parameters,
        model_name=model_name_of(fields, keywords) or (parameters["model_overrides"] or {}).get("smart_model"),
        stop=stops_of(fields, stop),
        offer=offer if offer is not None and offer.is_open else None,
    )


def refuse_listener(keywords: Collection[str]) -> None:
    """Refuse ``on_progress``, which in LangChain is a callback.

    Raises:
        TypeError: It is among the keywords.
    """
    if "on_progress" in keywords:
        raise TypeError('on_progress is not a keyword: pass config={"callbacks": [LumnisProgressHandler()]} instead.')


def _parameters(fields: Mapping[str, Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    of_call = {
        name: value
        for name, value in keywords.items()
        if name not in _OTHER_KEYWORDS and (value or name != "functions")
    }
    parameters = run_parameters(
        fields, of_call, model=model_name_of(fields, keywords), model_of_call=bool(model_name_of({}, keywords))
    )
    if parameters["response_format"] is not None:
        parameters["response_format"] = json_schema_of(parameters["response_format"])
    return parameters


def model_name_of(fields: Mapping[str, Any], keywords: Mapping[str, Any]) -> str | None:
    """Return the model of a call: its keyword, else the model's field."""
    return keywords.get("model") or keywords.get("model_name") or fields.get("model_name")


def stops_of(fields: Mapping[str, Any], stop: str | Sequence[str] | None) -> list[str]:
    """Return the texts before which an answer is cut off: those of the call, else the model's; one may be bare."""
    stops = stop or fields.get("stop") or ()
    return [stops] if isinstance(stops, str) else list(stops)


def warn_of_ignored(names: Iterable[str]) -> None:
    """Warn that parameters have no effect."""
    warnings.warn(ignored_warning("ChatLumnis", names), UserWarning, stacklevel=3)


# Threads


def _starts_new_thread(keywords: Mapping[str, Any]) -> bool:
    # thread_id=None overrides config, field and messages, so one step of a chain can opt out of the thread.
    return "thread_id" in keywords and keywords["thread_id"] is None


def continuation(messages: Sequence[BaseMessage], thread_id: Any, history: History) -> Continuation:
    """Return the thread to continue and the messages not stored there yet.

    Raises:
        ValidationError: All messages are stored there.
    """
    named = None if thread_id is None else str(thread_id)
    answers = Answers.FOLLOW if history == "server" else Answers.IGNORE
    return continue_thread([tags_of(message) for message in messages], thread_id=named, answers=answers)


def history_of(fields: Mapping[str, Any], keywords: Mapping[str, Any]) -> History:
    """Return who remembers the conversation.

    Raises:
        ValidationError: It is neither ``client`` nor ``server``.
    """
    history: History = keywords.get("history") or fields["history"]
    if history not in HISTORIES:
        raise ValidationError(f"history must be 'client' or 'server', got {history!r}.")
    return history


# Caching


def continues_a_thread(fields: Mapping[str, Any], messages: Sequence[BaseMessage], keywords: Mapping[str, Any]) -> bool:
    """Return whether the same messages may mean something else the next time, so that no cache may answer."""
    if _starts_new_thread(keywords):
        return False
    if keywords.get("thread_id", fields["thread_id"]) is not None or history_of(fields, keywords) == "server":
        return True
    return any(tags.thread_id is not None and not tags.is_answer for tags in map(tags_of, messages))


def cache_facts(fields: Mapping[str, Any], stop: Sequence[str] | None, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that the answer of a call depends on, except its messages."""
    parameters = _parameters(fields, keywords)
    parameters |= {name: keywords[name] for name in TOOL_KEYWORDS if keywords.get(name)}
    facts = {name: value for name, value in parameters.items() if name not in WATCH_FIELDS and value is not None}
    return facts | {"stop": stops_of(fields, stop)}


# Config


@runtime_checkable
class AdoptingHistory(Protocol):
    """A chat message history whose messages are in a thread."""

    @property
    def lumnis_thread_id(self) -> str | None:
        """The thread, or None if there is none yet."""
        ...

    def adopt_thread(self, thread_id: str) -> None:
        """Continue a thread."""
        ...


def with_config(
    config: RunnableConfig | None, keywords: Mapping[str, Any]
) -> tuple[RunnableConfig, dict[str, Any], AdoptingHistory | None]:
    """Return the whole config of a call, its keywords on top of those from the config, and a history without thread."""
    config = ensure_config(config)
    configurable = config.get("configurable") or {}
    history = configurable.get("message_history")
    waiting = isinstance(history, AdoptingHistory) and history.lumnis_thread_id is None
    return config, from_config(configurable) | dict(keywords), history if waiting else None


def from_config(configurable: Mapping[str, Any], names: Collection[str] = ()) -> dict[str, Any]:
    """Return the parameters that a RunnableConfig sets for all components it reaches.

    ``RunnableWithMessageHistory`` puts its history there, too: if that is a thread, the call continues it. With
    ``names``, other parameters are left out.
    """
    found = {name: configurable[key] for key, name in CONFIG_KEYS.items() if configurable.get(key) is not None}
    history = configurable.get("message_history")
    if history is not None and hasattr(history, "lumnis_thread_id"):
        thread = {} if history.lumnis_thread_id is None else {"thread_id": history.lumnis_thread_id}
        found = {"history": "server", **thread, **found}
    return {name: value for name, value in found.items() if not names or name in names}


def adopt(history: AdoptingHistory | None, message: MessageT) -> MessageT:
    """Let a history continue the thread of an answer, which its chain may reduce to a text; return the answer."""
    thread_id = message.response_metadata.get("thread_id")
    if history is not None and thread_id is not None and history.lumnis_thread_id is None:
        history.adopt_thread(thread_id)
    return message
