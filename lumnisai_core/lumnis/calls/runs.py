"""The body of ``POST /v1/responses``: everything about a new run is checked here, before it is sent. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypedDict, TypeVar, cast
from uuid import UUID, uuid4

import pydantic
from pydantic import BaseModel

from lumnisai_core._transport.answer import model, nothing
from lumnisai_core._transport.call import Call, path
from lumnisai_core._transport.checks import given, member
from lumnisai_core.exceptions import LocalFileNotSupported, ValidationError
from lumnisai_core.lumnis.config import Settings, user_of_call
from lumnisai_core.lumnis.models import (
    AgentConfig,
    FileAttachment,
    Message,
    MessageRole,
    ModelOverrides,
    ResponseObject,
    Scope,
)
from lumnisai_core.lumnis.models.responses import FeedbackType
from lumnisai_core.lumnis.models.updates import ProgressCallback
from lumnisai_core.lumnis.runs.printing import ProgressPrinter
from lumnisai_core.lumnis.runs.watch import WatchOptions


class RunParameters(TypedDict, total=False):
    """What to run; every part is optional.

    Attributes:
        user_id: UUID, e-mail address or other id of the user the run is for. Needed in user scope.
        scope: ``user`` or ``tenant`` instead of the client's scope.
        thread_id: Conversation to continue; without it the service starts a new one.
        response_format: Pydantic class or JSON Schema of the object wanted in ``structured_response``.
        response_format_instructions: Extra guidance for that object.
        model_overrides: Models for this run, each as ``provider:model_name``.
        agent_config: How the agent works.
        files: Files by URI or artifact id.
        options: Free-form options, echoed in the run.
        specialized_agent: Name of a specialized agent to route the run to.
        specialized_agent_params: Its parameters.
        idempotency_key: Key under which the service makes only one run, also over several calls. A fresh one is made
            if it is left out, so that retries never make a second run.
        extra_body: Further fields for the request body, sent as they are.
    """

    user_id: str | UUID | None
    scope: Scope | str | None
    thread_id: str | UUID | None
    response_format: ResponseFormat | None
    response_format_instructions: str | None
    model_overrides: ModelOverrides | Mapping[str, str] | None
    agent_config: AgentConfig | Mapping[str, Any] | None
    files: Sequence[FileAttachment | Mapping[str, Any]] | None
    options: Mapping[str, Any] | None
    specialized_agent: str | None
    specialized_agent_params: Mapping[str, Any] | None
    idempotency_key: str | None
    extra_body: Mapping[str, Any] | None


class WatchParameters(TypedDict, total=False):
    """How to watch a run; every part is optional.

    Attributes:
        show_progress: Whether to print status changes, messages and tool calls. Default False: nothing is printed.
        on_progress: Called with each :class:`RunUpdate`; a coroutine function is awaited by the asyncio client. What
            it raises is logged and does not end the run.
        run_timeout: Seconds after which :class:`RunTimeoutError` is raised; the run itself goes on. Default 600;
            None for no limit.
        progress_interval: Seconds a poll is held while somebody listens, so news is at most this old. Default 1.
        cancel_on_interrupt: Whether Ctrl-C, a cancelled task or leaving a stream early stops the run on the service.
            Default True.
    """

    show_progress: bool
    on_progress: ProgressCallback | None
    run_timeout: float | None
    progress_interval: float
    cancel_on_interrupt: bool


class InvokeParameters(RunParameters, WatchParameters, total=False):
    """What to run and how to watch it."""


MessageInput: TypeAlias = Message | Mapping[str, Any]
MessagesInput: TypeAlias = str | MessageInput | Sequence[MessageInput]
ResponseFormat: TypeAlias = type[BaseModel] | Mapping[str, Any]

ModelT = TypeVar("ModelT", bound=BaseModel)

_URI_SCHEMES = ("http", "https", "s3", "gs", "gcs", "file", "ftp", "ftps", "blob", "data")


def create_body(
    messages: MessagesInput,
    *,
    user_id: str | None = None,
    thread_id: str | UUID | None = None,
    response_format: ResponseFormat | None = None,
    response_format_instructions: str | None = None,
    model_overrides: ModelOverrides | Mapping[str, str] | None = None,
    agent_config: AgentConfig | Mapping[str, Any] | None = None,
    files: Sequence[FileAttachment | Mapping[str, Any]] | None = None,
    options: Mapping[str, Any] | None = None,
    specialized_agent: str | None = None,
    specialized_agent_params: Mapping[str, Any] | None = None,
    extra_body: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Check everything about a new run and write it as the service reads it.

    Raises:
        ValidationError: Something is missing or of the wrong kind; the message says what.
        LocalFileNotSupported: A file is named by a local path.
    """
    fields: dict[str, Any] = {
        "messages": wire_messages(messages),
        "thread_id": None if thread_id is None else _text("thread_id", str(thread_id)),
        "user_id": user_id,
        "response_format": None if response_format is None else schema_of(response_format),
        "response_format_instructions": response_format_instructions,
        "model_overrides": _sent(ModelOverrides, "model_overrides", model_overrides),
        "agent_config": _sent(AgentConfig, "agent_config", agent_config),
        "files": [_sent_file(index, file) for index, file in enumerate(files)] if files else None,
        "options": options,
        "specialized_agent": specialized_agent,
        "specialized_agent_params": specialized_agent_params,
    }
    return {name: value for name, value in fields.items() if value is not None} | dict(extra_body or {})


def _text(name: str, value: str) -> str:
    if not value.strip():
        raise ValidationError(f"{name} is empty: leave it out, or pass the id that the service returned.")
    return value


def wire_messages(messages: MessagesInput) -> list[dict[str, str]]:
    """Bring the accepted forms of a conversation into the wire's: a list of roles and texts.

    Args:
        messages: A text (one user message), one message, or a sequence of messages.

    Raises:
        ValidationError: There is no message, or one has no known role or no text.
    """
    if isinstance(messages, str):
        return [{"role": MessageRole.USER.value, "content": messages}]
    if isinstance(messages, Message | Mapping):
        return [_wire_message(0, messages)]
    if not isinstance(messages, Sequence) or isinstance(messages, bytes | bytearray):
        raise ValidationError(
            f"messages must be a text, a message or a list of messages, not {type(messages).__name__}."
        )
    if not messages:
        raise ValidationError('messages is empty: pass a text or at least one {"role": "user", "content": ...}.')
    return [_wire_message(index, message) for index, message in enumerate(messages)]


def _wire_message(index: int, message: object) -> dict[str, str]:
    if not isinstance(message, Message | Mapping):
        raise ValidationError(
            f"messages[{index}] must be a message with role and content, not {type(message).__name__}."
        )
    role = message.role if isinstance(message, Message) else message.get("role")
    content = message.content if isinstance(message, Message) else message.get("content")
    if role not in tuple(MessageRole):
        raise ValidationError(f"messages[{index}] has the role {role!r}: use {', '.join(MessageRole)}.")
    if not isinstance(content, str):
        raise ValidationError(
            f"messages[{index}] has content of type {type(content).__name__}: the platform takes plain text. "
            "Send files and images through files=."
        )
    return {"role": str(role), "content": content}


def schema_of(response_format: ResponseFormat) -> dict[str, Any]:
    """Return the JSON Schema of a pydantic class, or the given schema as it is.

    Raises:
        ValidationError: It is neither a pydantic class nor a JSON Schema object.
    """
    if isinstance(response_format, type) and issubclass(response_format, BaseModel):
        return response_format.model_json_schema()
    if isinstance(response_format, Mapping):
        return dict(response_format)
    raise ValidationError(
        f"response_format must be a pydantic model class or a JSON Schema dict, not {response_format!r}."
    )


def _checked(kind: type[ModelT], place: str, given: object) -> ModelT:
    if isinstance(given, kind):
        return given
    try:
        return kind.model_validate(dict(given) if isinstance(given, Mapping) else given)
    except pydantic.ValidationError as error:
        problems = "; ".join(
            f"{'.'.join([place, *map(str, item['loc'])])}: {item['msg']}" for item in error.errors(include_input=False)
        )
        known = ", ".join(kind.model_fields)
        raise ValidationError(
            f"{problems}. Known fields of {place}: {known}. Anything else can go through extra_body=."
        ) from error


def _sent(kind: type[BaseModel], place: str, given: object) -> dict[str, Any] | None:
    if given is None:
        return None
    return _checked(kind, place, given).model_dump(mode="json", exclude_unset=True, exclude_none=True)


def _sent_file(index: int, given: FileAttachment | Mapping[str, Any]) -> dict[str, Any]:
    file = _checked(FileAttachment, f"files[{index}]", given)
    if not is_remote_file(file.uri):
        raise LocalFileNotSupported(
            f"files[{index}] names {file.uri!r}, which looks like a local path. Pass an artifact id (artifact_...) or "
            f"a URI with one of the schemes {', '.join(_URI_SCHEMES)}."
        )
    return file.model_dump(mode="json", exclude_none=True)


def is_remote_file(uri: str) -> bool:
    """Say whether a file reference can be resolved by the service: an artifact id or a URI, not a local path."""
    if uri.startswith("artifact_"):
        return True
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", uri)  # two letters at least: C: is a drive
    return scheme is not None and scheme[1].lower() in _URI_SCHEMES


_ROUTE = "/v1/responses"
_LONGEST_KEY = 255


class RunStart(NamedTuple):
    """How to begin following a run: by creating it, or by looking at one whose id is known."""

    call: Call[ResponseObject]
    response_id: str | None = None


def create_call(settings: Settings, messages: MessagesInput, parameters: RunParameters) -> Call[ResponseObject]:
    """``POST /v1/responses``, with an idempotency key that all tries of this call share.

    Raises:
        ValidationError: Something about the run is not acceptable.
    """
    given: dict[str, Any] = dict(parameters)
    refuse_unknown(given, RunParameters)
    user = user_of_call(settings, user_id=given.pop("user_id", None), scope=given.pop("scope", None))
    key = _usable_key(given.pop("idempotency_key", None))
    body = create_body(messages, user_id=user, **given)
    hint = f"The run may have been made. To send it again without making two, pass idempotency_key={key!r}."
    return Call("POST", _ROUTE, model(ResponseObject), body=body, idempotency_key=key, hint=hint)


def _usable_key(key: object) -> str:
    if key is None:
        return str(uuid4())
    if (
        not isinstance(key, str)
        or not key.strip()
        or len(key) > _LONGEST_KEY
        or not (key.isascii() and key.isprintable())
    ):
        raise ValidationError(f"idempotency_key must be 1 to {_LONGEST_KEY} printable ASCII characters, not {key!r}.")
    return key


def get_call(response_id: str, *, wait: float | None = None) -> Call[ResponseObject]:
    """``GET /v1/responses/{id}``, held up to ``wait`` seconds by the service."""
    if wait is not None and not 0 <= wait < float("inf"):
        raise ValidationError(f"wait must be a number of seconds from 0, not {wait!r}.")
    return Call(
        "GET",
        path(_ROUTE + "/{}", response_id),
        model(ResponseObject),
        query={"wait": float(wait)} if wait else {},
        held=float(wait or 0.0),
    )


def cancel_call(response_id: str) -> Call[None]:
    """``POST /v1/responses/{id}/cancel``. Keyed, so that it may be tried again."""
    return Call("POST", path(_ROUTE + "/{}/cancel", response_id), nothing, idempotency_key=str(uuid4()))


def watch_options(parameters: WatchParameters, *, listening: bool) -> tuple[WatchOptions, tuple[ProgressCallback, ...]]:
    """Settle how to watch a run and who is told.

    Args:
        parameters: The caller's wishes.
        listening: Whether the caller reads the stream.
    """
    given: dict[str, Any] = dict(parameters)
    refuse_unknown(given, WatchParameters)
    listeners: list[ProgressCallback] = [ProgressPrinter()] if given.pop("show_progress", False) else []
    callback = given.pop("on_progress", None)
    if callback is not None:
        listeners.append(callback)
    return WatchOptions(listening=listening or bool(listeners), **given), tuple(listeners)


def split_parameters(parameters: InvokeParameters) -> tuple[RunParameters, WatchParameters]:
    """Part what is to be run from how it is to be watched."""
    given: Mapping[str, Any] = parameters
    refuse_unknown(given, InvokeParameters)
    watch = {name: given[name] for name in WatchParameters.__annotations__ if name in given}
    run = {name: value for name, value in given.items() if name not in watch}
    return cast("RunParameters", run), cast("WatchParameters", watch)


def refuse_unknown(given: Mapping[str, Any], known: type[RunParameters | WatchParameters]) -> None:
    """Refuse keywords that a call does not take, as Python does.

    Raises:
        TypeError: There is such a keyword; the message lists those that exist.
    """
    unknown = sorted(set(given) - known.__annotations__.keys())
    if unknown:
        raise TypeError(f"unexpected keyword arguments {', '.join(unknown)}; known: {', '.join(known.__annotations__)}")


_LONGEST_FEEDBACK = 5000


def feedback_body(
    feedback_text: str,
    *,
    feedback_type: FeedbackType | str,
    user_id: str | None,
    progress_id: str | None,
    tool_call_id: str | None,
    tool_args_update: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Check feedback and write it as the service reads it.

    Raises:
        ValidationError: The text is empty or too long, the type is unknown, or arguments have no tool call.
    """
    if not isinstance(feedback_text, str) or not 1 <= len(feedback_text) <= _LONGEST_FEEDBACK:
        raise ValidationError(f"feedback_text must be a text of 1 to {_LONGEST_FEEDBACK} characters.")
    if tool_args_update is not None and tool_call_id is None:
        raise ValidationError("tool_args_update needs tool_call_id: name the tool call that gets new arguments.")
    return given(
        feedback_text=feedback_text,
        feedback_type=member(FeedbackType, "feedback_type", feedback_type).value,
        user_id=user_id,
        progress_id=progress_id,
        tool_call_id=tool_call_id,
        tool_args_update=tool_args_update,
    )
