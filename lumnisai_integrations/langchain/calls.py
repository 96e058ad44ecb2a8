"""From a model's fields and the keywords of one call to a run. Pure, but for the warning about ignored parameters."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import pydantic
from langchain_core.messages import BaseMessage
from pydantic import BaseModel

from lumnisai_core import AgentConfig, FileAttachment, ModelOverrides
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.conversation import Answers, Continuation, continue_thread
from lumnisai_integrations._shared.runs import SAMPLING_PARAMETERS, asks_for_tenant_view, with_smart_model
from lumnisai_integrations._shared.tools import ToolOffer
from lumnisai_integrations.langchain.conversation import tags_of
from lumnisai_integrations.langchain.convert import AnswerOptions, convert_in
from lumnisai_integrations.langchain.function_calling import TOOL_KEYWORDS, offer_of
from lumnisai_integrations.langchain.structured import json_schema_of

#: Fields of the model that are sent with each run as they are.
RUN_FIELDS = (
    "user_id",
    "scope",
    "thread_id",
    "response_format",
    "response_format_instructions",
    "agent_config",
    "files",
    "options",
    "idempotency_key",
    "run_timeout",
    "progress_interval",
    "cancel_on_interrupt",
)

#: Keywords that LangChain itself hands down, which say nothing about the run.
_FRAMEWORK_KEYWORDS = frozenset({"stream", "strict", "ls_structured_output_format", "structured_output_format"})
_READ_ELSEWHERE = frozenset({"model", "model_name", "model_overrides", "history"}) | TOOL_KEYWORDS

#: Who remembers the conversation: the caller, who sends all of it each time, or the thread on the service.
History = Literal["client", "server"]
HISTORIES = ("client", "server")

#: How a run is watched, which does not change its answer.
_WATCHING = frozenset({"run_timeout", "progress_interval", "cancel_on_interrupt", "show_progress"})

#: Keys of ``config["configurable"]`` and the parameters they stand for.
CONFIG_KEYS = {"lumnis_thread_id": "thread_id", "lumnis_user_id": "user_id"}


@runtime_checkable
class AdoptingHistory(Protocol):
    """A chat message history whose messages are in a thread."""

    @property
    def lumnis_thread_id(self) -> str | None:
        """The thread, or None if there is none yet."""
        ...

    def adopt_thread(self, thread_id: str) -> None:
        """Go on in a thread."""
        ...


@dataclass(frozen=True, slots=True)
class RunCall:
    """One run to make.

    Attributes:
        messages: The conversation as the wire takes it.
        parameters: Keywords for the client's ``invoke``.
        model_name: The model that was asked for, or None.
        stop: Texts before which the answer is cut off.
        offer: The tools that the run may ask for, or None.
    """

    messages: list[dict[str, str]]
    parameters: dict[str, Any]
    model_name: str | None = None
    stop: Sequence[str] = field(default=())
    offer: ToolOffer | None = None

    @property
    def writing(self) -> AnswerOptions:
        """How the answer becomes a message."""
        structured = self.parameters.get("response_format") is not None
        return {"model_name": self.model_name, "structured": structured, "stop": self.stop, "offer": self.offer}


def run_call(
    fields: Mapping[str, Any], messages: Sequence[BaseMessage], stop: Sequence[str] | None, keywords: Mapping[str, Any]
) -> RunCall:
    """Describe the run of one call; its keywords win over the model's fields.

    Args:
        fields: The model's fields by name.
        messages: The conversation.
        stop: Texts of this call before which the answer is cut off.
        keywords: What else the call says, such as ``thread_id``; ``None`` takes a field's value away, and
            ``thread_id=None`` begins a new thread, whatever the messages say.

    Raises:
        ValidationError: A message cannot be sent.
        TypeError: ``on_progress`` was given.
    """
    if "on_progress" in keywords:
        raise TypeError(
            'on_progress is not taken here: pass config={"callbacks": [...]}, such as LumnisProgressHandler.'
        )
    parameters = _run_parameters(fields, keywords)
    offer = offer_of(keywords, parameters["response_format"])
    if offer is not None:
        parameters["response_format"] = offer.response_format()
        parameters["response_format_instructions"] = offer.instructions(parameters["response_format_instructions"])
    if _wants_new_thread(keywords):
        going_on = Continuation(None, tuple(range(len(messages))))
    else:
        going_on = continuation(messages, parameters["thread_id"], history_of(fields, keywords))
    parameters["thread_id"] = going_on.thread_id
    model = model_name_of(fields, keywords)
    written = convert_in(messages)
    return RunCall(
        messages=[written[at] for at in going_on.send],
        parameters=parameters,
        model_name=model or parameters.get("model_overrides", {}).get("smart_model"),
        stop=stops_of(fields, stop),
        offer=offer if offer is not None and offer.is_open else None,
    )


def stops_of(fields: Mapping[str, Any], stop: str | Sequence[str] | None) -> list[str]:
    """Return the texts before which an answer is cut off: those of the call, else the model's; one may be bare."""
    wanted = stop or fields.get("stop") or ()
    return [wanted] if isinstance(wanted, str) else list(wanted)


def _wants_new_thread(keywords: Mapping[str, Any]) -> bool:
    # `thread_id=None` overrides config, field and messages, so that one step of a chain can opt out of the thread.
    return "thread_id" in keywords and keywords["thread_id"] is None


def continuation(messages: Sequence[BaseMessage], thread_id: Any, history: History) -> Continuation:
    """Return the thread that messages continue and those of them that are not stored there yet.

    Raises:
        ValidationError: The thread holds all of them.
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
        raise ValidationError(f"history must be 'client' or 'server', not {history!r}.")
    return history


def continues_a_thread(fields: Mapping[str, Any], messages: Sequence[BaseMessage], keywords: Mapping[str, Any]) -> bool:
    """Say whether the same words may mean something else the next time, so that no cache may answer."""
    if _wants_new_thread(keywords):
        return False
    if keywords.get("thread_id", fields["thread_id"]) is not None or history_of(fields, keywords) == "server":
        return True
    return any(tags.thread_id is not None and not tags.is_answer for tags in map(tags_of, messages))


def _run_parameters(fields: Mapping[str, Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    given = _without_ignored(keywords)
    parameters = {name: fields[name] for name in RUN_FIELDS} | given
    if asks_for_tenant_view(keywords):
        parameters["user_id"] = None
    if parameters["response_format"] is not None:
        parameters["response_format"] = json_schema_of(parameters["response_format"])
    overrides = _model_overrides(fields, keywords)
    if overrides:
        parameters["model_overrides"] = overrides
    return parameters


def _without_ignored(keywords: Mapping[str, Any]) -> dict[str, Any]:
    ignored = [name for name in keywords if name in SAMPLING_PARAMETERS and keywords[name] is not None]
    if ignored:
        warn_of_ignored(ignored)
    return {
        name: value
        for name, value in keywords.items()
        if name not in SAMPLING_PARAMETERS
        and name not in _FRAMEWORK_KEYWORDS
        and name not in _READ_ELSEWHERE
        and (value or name != "functions")
    }


def warn_of_ignored(names: Iterable[str]) -> None:
    """Say which parameters have no effect."""
    listed = ", ".join(sorted(names))
    warnings.warn(
        f"ChatLumnis ignores {listed}: the platform decides how its models are called. Use agent_config= and "
        "model_overrides= to direct it.",
        UserWarning,
        stacklevel=3,
    )


def model_name_of(fields: Mapping[str, Any], keywords: Mapping[str, Any]) -> str | None:
    """Return the model that a call asks for: its own, else the model's field."""
    return keywords.get("model") or keywords.get("model_name") or fields.get("model_name")


def _model_overrides(fields: Mapping[str, Any], keywords: Mapping[str, Any]) -> dict[str, str]:
    try:
        overrides = plain_overrides(keywords.get("model_overrides", fields["model_overrides"])) or {}
    except pydantic.ValidationError as error:
        raise ValidationError(f"model_overrides cannot be read: {error}") from error
    of_this_call = bool(model_name_of({}, keywords))
    return with_smart_model(overrides, model_name_of(fields, keywords), of_this_call=of_this_call)


def from_config(configurable: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that a RunnableConfig sets for all models it reaches.

    ``RunnableWithMessageHistory`` puts its history there, too: if that is a thread, the thread goes on.
    """
    found = {name: configurable[key] for key, name in CONFIG_KEYS.items() if configurable.get(key) is not None}
    history = configurable.get("message_history")
    if history is not None and hasattr(history, "lumnis_thread_id"):
        thread = {} if history.lumnis_thread_id is None else {"thread_id": history.lumnis_thread_id}
        return {"history": "server", **thread, **found}
    return found


def waiting_history(configurable: Mapping[str, Any]) -> AdoptingHistory | None:
    """Return the history of ``RunnableWithMessageHistory`` if it is one of threads that has no thread yet."""
    history = configurable.get("message_history")
    if history is None or not isinstance(history, AdoptingHistory):
        return None
    return history if history.lumnis_thread_id is None else None


def adopt(history: AdoptingHistory | None, message: BaseMessage) -> None:
    """Let a history go on in the thread of an answer, which its chain may reduce to a text."""
    thread_id = message.response_metadata.get("thread_id")
    if history is not None and thread_id is not None and history.lumnis_thread_id is None:
        history.adopt_thread(thread_id)


def cache_facts(fields: Mapping[str, Any], stop: Sequence[str] | None, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything about a call, besides its messages, that its answer depends on."""
    parameters = _run_parameters(fields, keywords)
    parameters |= {name: keywords[name] for name in TOOL_KEYWORDS if keywords.get(name)}
    facts = {name: value for name, value in parameters.items() if name not in _WATCHING and value is not None}
    return facts | {"stop": stops_of(fields, stop)}


def plain_overrides(given: ModelOverrides | Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Check model choices and write them as plain data."""
    return _plain(ModelOverrides, given)


def plain_agent_config(given: AgentConfig | Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Check agent settings and write them as plain data."""
    return _plain(AgentConfig, given)


def plain_files(given: Iterable[FileAttachment | Mapping[str, Any]] | None) -> list[dict[str, Any] | None] | None:
    """Check attached files and write them as plain data."""
    return None if given is None else [_plain(FileAttachment, file) for file in given]


def _plain(kind: type[BaseModel], given: BaseModel | Mapping[str, Any] | None) -> dict[str, Any] | None:
    if given is None:
        return None
    checked = given if isinstance(given, kind) else kind.model_validate(given)
    return checked.model_dump(mode="json", exclude_unset=True, exclude_none=True)
