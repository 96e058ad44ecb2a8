"""Runs of LangChain's calls: input, fields, config and keywords become one run. Pure, except for a warning."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from uuid import UUID

from langchain_core.messages import BaseMessage, HumanMessage, MessageLikeRepresentation, convert_to_messages
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

from lumnisai_core import InvokeParameters, RunParameters
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.tools import answer_schema
from lumnisai_integrations._shared.runs import (
    DEFAULT_MODEL_NAME,
    HISTORIES,
    IGNORED_PARAMETERS,
    NOTHING,
    RUN_FIELDS,
    SILENT_KEYWORDS,
    STOP_KEYWORDS,
    TOOL_KEYWORDS,
    WATCH_FIELDS,
    History,
    run_parameters,
    stops_of,
)
from lumnisai_integrations._shared.sending import Sent, Turn
from lumnisai_integrations._shared.turns import Answers, Tags
from lumnisai_integrations.langchain.lumnis.convert import AnswerOptions, convert_in, tags_of
from lumnisai_integrations.langchain.lumnis.durable import check_durable, graph_key
from lumnisai_integrations.langchain.lumnis.function_calling import offer_of
from lumnisai_integrations.langchain.lumnis.history import LumnisChatMessageHistory

MessageT = TypeVar("MessageT", bound=BaseMessage)

#: Input of ``LumnisRunnable``: a question in any of LangChain's forms, a graph state with ``messages``, or
#: ``{"response_id": ...}``.
LumnisInput = str | PromptValue | BaseMessage | Sequence[MessageLikeRepresentation] | Mapping[str, Any]

#: Keywords that LangChain itself hands down and that do not concern the run.
_FRAMEWORK_KEYWORDS = frozenset({"stream", "ls_structured_output_format", "structured_output_format"})
_OWN_KEYWORDS = frozenset({"model", "model_name", "history", "stream_progress", "durable"})
#: Keywords that are not parameters of a run under the same name.
_OTHER_KEYWORDS = (
    _OWN_KEYWORDS
    | TOOL_KEYWORDS
    | IGNORED_PARAMETERS
    | SILENT_KEYWORDS
    | _FRAMEWORK_KEYWORDS
    | frozenset(STOP_KEYWORDS)
)
_NEW_RUN_KEYWORDS = (frozenset(InvokeParameters.__annotations__) | _OWN_KEYWORDS) - {"on_progress"}
_START_KEYWORDS = frozenset(RunParameters.__annotations__) | _OWN_KEYWORDS

#: Keys of ``config["configurable"]`` and the parameters they stand for.
CONFIG_KEYS = {"lumnis_thread_id": "thread_id", "lumnis_user_id": "user_id"}


@dataclass(frozen=True, slots=True)
class RunCall:
    """One run to make: the turn of its messages, keywords of ``invoke``, and how its answer becomes a message."""

    turn: Turn
    parameters: dict[str, Any]
    answer: AnswerOptions = field(default_factory=AnswerOptions)
    shows_progress: bool = True

    def parameters_for(self, sent: Sent) -> dict[str, Any]:
        """Return the keywords of ``invoke`` for the messages that are sent."""
        return {**self.parameters, "thread_id": sent.thread_id}


def run_call(
    fields: Mapping[str, Any], messages: Sequence[BaseMessage], stop: Sequence[str] | None, keywords: Mapping[str, Any]
) -> RunCall:
    """Return the run of one call; its keywords win over the model's fields, also with None.

    ``thread_id=None`` starts a new thread, whatever the messages say.
    """
    _refuse_listener(keywords)
    parameters = _parameters(fields, keywords)
    offer = offer_of(keywords, parameters["response_format"]) if keywords.get("tools") else None
    if offer is not None:
        parameters = offer.applied_to(parameters)
    history = None if _starts_new_thread(keywords) else history_of(fields, keywords)
    turn = turn_of(messages, parameters["thread_id"], history)
    if parameters["idempotency_key"] is None and check_durable(keywords.get("durable") or fields["durable"]):
        parameters["idempotency_key"] = graph_key(lambda: _request(messages, turn, parameters))
    parameters["thread_id"] = turn.check().thread_id
    answer: AnswerOptions = {
        "model_name": model_name_of(fields, keywords) or (parameters["model_overrides"] or {}).get("smart_model"),
        "structured": parameters["response_format"] is not None,
        "stop": stops_of({"stop": stop, **keywords}, fields),
        "offer": offer if offer is not None and offer.is_open else None,
    }
    shows_progress = keywords.get("stream_progress", fields.get("stream_progress", True)) is not False
    return RunCall(turn, parameters, answer, shows_progress)


def _request(messages: Sequence[BaseMessage], turn: Turn, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call as plain data, whatever the process knows of its thread."""
    of_run = {name: value for name, value in parameters.items() if name not in WATCH_FIELDS}
    threads = [tags.thread_id for tags in turn.tags]
    return {**of_run, "messages": convert_in(messages, range(len(messages)), []), "threads": threads}


def _refuse_listener(keywords: Collection[str]) -> None:
    if "on_progress" in keywords:
        raise TypeError('on_progress is not a keyword: pass config={"callbacks": [LumnisProgressHandler()]} instead.')


def _parameters(fields: Mapping[str, Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    of_call = {
        name: value
        for name, value in keywords.items()
        if name not in _OTHER_KEYWORDS and (name in RUN_FIELDS or value not in NOTHING)
    }
    model, model_of_call = model_name_of(fields, keywords), bool(model_name_of({}, keywords))
    parameters = run_parameters(fields, of_call, model=model, model_of_call=model_of_call)
    return parameters | {"response_format": answer_schema(parameters["response_format"])}


def model_name_of(fields: Mapping[str, Any], keywords: Mapping[str, Any]) -> str | None:
    """Return the model of a call: its keyword, else the model's field; None if the platform chooses."""
    name = keywords.get("model") or keywords.get("model_name") or fields.get("model_name")
    return None if name == DEFAULT_MODEL_NAME else name


def _starts_new_thread(keywords: Mapping[str, Any]) -> bool:
    # thread_id=None overrides config, field and messages, so one step of a chain can opt out of the thread.
    return "thread_id" in keywords and keywords["thread_id"] is None


def turn_of(messages: Sequence[BaseMessage], thread_id: Any, history: History | None) -> Turn:
    """Return the messages of a call as the turn of a conversation; without a ``history`` as that of a new one."""
    return Turn(
        [Tags() if history is None else tags_of(message) for message in messages],
        lambda positions, lines: convert_in(messages, positions, lines),
        None if thread_id is None else str(thread_id),
        Answers.FOLLOW if history == "server" else Answers.IGNORE,
    )


def history_of(fields: Mapping[str, Any], keywords: Mapping[str, Any]) -> History:
    """Return who remembers the conversation."""
    history: History = keywords.get("history") or fields["history"]
    if history not in HISTORIES:
        raise ValidationError(f"history must be 'client' or 'server', got {history!r}.")
    return history


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
    if callable(parameters["idempotency_key"]):  # the same call has another key each time
        del facts["idempotency_key"]
    return facts | {"stop": stops_of({"stop": stop, **keywords}, fields)}


def with_config(
    config: RunnableConfig | None, keywords: Mapping[str, Any]
) -> tuple[RunnableConfig, dict[str, Any], LumnisChatMessageHistory | None]:
    """Return the whole config of a call, its keywords on top of those from the config, and a history without thread."""
    config, keywords = ensure_config(config), dict(keywords)
    if isinstance(metadata := keywords.pop("metadata", None), Mapping):  # of other models; the framework has its own
        config["metadata"] = {**(config.get("metadata") or {}), **metadata}
    configurable = config.get("configurable") or {}
    history = _history_in(configurable)
    is_waiting = history is not None and history.thread_id is None
    return config, from_config(configurable) | keywords, history if is_waiting else None


def from_config(configurable: Mapping[str, Any], names: Collection[str] = ()) -> dict[str, Any]:
    """Return the parameters that a RunnableConfig sets for all components it reaches; with ``names``, only these.

    ``RunnableWithMessageHistory`` puts its history there, too: if that is a thread, the call continues it.
    """
    found = {name: configurable[key] for key, name in CONFIG_KEYS.items() if configurable.get(key) is not None}
    if history := _history_in(configurable):
        thread = {} if history.thread_id is None else {"thread_id": history.thread_id}
        found = {"history": "server", **thread, **found}
    return {name: value for name, value in found.items() if not names or name in names}


def _history_in(configurable: Mapping[str, Any]) -> LumnisChatMessageHistory | None:
    history = configurable.get("message_history")
    return history if isinstance(history, LumnisChatMessageHistory) else None


def adopt(history: LumnisChatMessageHistory | None, message: MessageT) -> MessageT:
    """Let a history continue the thread of an answer, which its chain may reduce to a text; return the answer."""
    thread_id = message.response_metadata.get("thread_id")
    if history is not None and thread_id is not None and history.thread_id is None:
        history.adopt_thread(thread_id)
    return message


# Inputs of LumnisRunnable


@dataclass(frozen=True, slots=True)
class KnownRun:
    """A run that exists, and the parameters for watching it."""

    response_id: str
    parameters: dict[str, Any]


def run_of_input(
    fields: Mapping[str, Any], value: object, configurable: Mapping[str, Any] | None, keywords: Mapping[str, Any]
) -> RunCall | KnownRun:
    """Return the run of one call; its keywords win over the config, the config over the fields."""
    messages = read_input(value)
    if isinstance(messages, str):
        known = _known_keywords(keywords, set(WATCH_FIELDS))
        return KnownRun(messages, {name: fields[name] for name in WATCH_FIELDS} | known)
    keywords = _known_keywords(keywords, _NEW_RUN_KEYWORDS)
    return run_call(fields, messages, None, {**from_config(configurable or {}), **keywords})


def start_of_input(
    fields: Mapping[str, Any], value: object, configurable: Mapping[str, Any] | None, keywords: Mapping[str, Any]
) -> RunCall:
    """Return a run that is only started: like :func:`run_of_input`, without parameters for watching."""
    run = run_of_input(fields, value, configurable, _known_keywords(keywords, _START_KEYWORDS))
    if isinstance(run, KnownRun):
        raise ValidationError(f"{run.response_id} is a run already: follow it with resume({run.response_id!r}).")
    return RunCall(
        run.turn, {name: value for name, value in run.parameters.items() if name in RunParameters.__annotations__}
    )


def read_input(value: object) -> list[BaseMessage] | str:
    """Return the messages of an input, or the id of the run it names."""
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


def _known_keywords(keywords: Mapping[str, Any], known: Set[str]) -> dict[str, Any]:
    """Return the keywords without those of other models that do not matter; any other is an error."""
    _refuse_listener(keywords)
    passing = IGNORED_PARAMETERS | SILENT_KEYWORDS | _FRAMEWORK_KEYWORDS
    unknown = {name for name, value in keywords.items() if value is not None} - known - passing
    if unknown:
        raise TypeError(f"unexpected keyword arguments {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
    return {name: value for name, value in keywords.items() if name in known}
