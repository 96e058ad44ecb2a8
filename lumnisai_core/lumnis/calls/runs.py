"""Runs: their parameters, and the HTTP calls of ``/v1/responses``. Everything is validated before it is sent. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias, TypedDict, TypeVar, Unpack, cast
from uuid import UUID, uuid4

import pydantic
from pydantic import BaseModel

from lumnisai_core._transport.answer import Problem, model, nothing
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.checks import path
from lumnisai_core.exceptions import (
    LocalFileNotSupported,
    LumnisAIError,
    RateLimitError,
    TransportError,
    ValidationError,
)
from lumnisai_core.lumnis.calls.keys import (
    MOST_ATTEMPTS,
    CreatedRun,
    KeyFunction,
    is_used_up,
    key_of,
    note_used_up,
)
from lumnisai_core.lumnis.config import Settings, user_of_call
from lumnisai_core.lumnis.models import (
    AgentConfig,
    FileAttachment,
    Message,
    MessageRole,
    ModelOverrides,
    ResponseObject,
    ResponseStatus,
    Scope,
)
from lumnisai_core.lumnis.models.responses import ProgressCallback

MessageInput: TypeAlias = Message | Mapping[str, Any]
MessagesInput: TypeAlias = str | MessageInput | Sequence[MessageInput]
ResponseFormat: TypeAlias = type[BaseModel] | Mapping[str, Any]

ModelT = TypeVar("ModelT", bound=BaseModel)

ROUTE = "/v1/responses"
_RUN = model(ResponseObject)
_ONE = "/v1/responses/{}"
_WITHOUT_ANSWER = frozenset({ResponseStatus.FAILED, ResponseStatus.CANCELLED})
_URI_SCHEMES = ("http", "https", "s3", "gs", "gcs", "file", "ftp", "ftps", "blob", "data")


class RunParameters(TypedDict, total=False):
    """What to run. All parameters are optional.

    Attributes:
        user_id: UUID, e-mail address or other id of the user that the run is for. Required in user scope.
        scope: ``user`` or ``tenant`` instead of the client's scope.
        thread_id: Thread to continue. Default: the service creates a new one.
        response_format: Pydantic class or JSON Schema of the object to return in ``structured_response``.
        response_format_instructions: Further instructions for that object.
        model_overrides: Models for this run, each as ``provider:model_name``.
        agent_config: Settings of the agent.
        files: Files, each named by URI or artifact id.
        options: Free-form options; the service returns them with the run.
        specialized_agent: Name of a specialized agent to route the run to.
        specialized_agent_params: Parameters of the specialized agent.
        idempotency_key: Key under which the service creates only one run, even if the call is repeated, or a function
            that makes it from a :class:`KeyedRequest`. Default: a new
            key for each call, so that retries never create a second run.
        extra_body: Further fields of the request body, sent unchanged.
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
    idempotency_key: str | KeyFunction | None
    extra_body: Mapping[str, Any] | None


class WatchParameters(TypedDict, total=False):
    """How to watch a run. All parameters are optional.

    Attributes:
        show_progress: Whether to print status changes, messages and tool calls. Default False.
        on_progress: Called with each :class:`RunUpdate`; the asyncio client awaits coroutine functions. Its exceptions
            are logged and do not end the run.
        run_timeout: Seconds after which :class:`RunTimeoutError` is raised; the run itself continues. Default 600;
            None for no limit.
        progress_interval: Seconds for which the service may hold a poll while there is a listener; updates are at most
            this old. Default 1.
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


def split_parameters(parameters: InvokeParameters) -> tuple[RunParameters, WatchParameters]:
    """Split the parameters of ``invoke`` into what to run and how to watch it; an unknown one is a TypeError."""
    refuse_unknown(parameters, InvokeParameters)
    watch = {name: value for name, value in parameters.items() if name in WatchParameters.__annotations__}
    run = {name: value for name, value in parameters.items() if name not in watch}
    return cast("RunParameters", run), cast("WatchParameters", watch)


def refuse_unknown(parameters: Mapping[str, Any], known: type[RunParameters | WatchParameters]) -> None:
    """Raise TypeError for an unknown parameter, because Python does not check the keywords of a TypedDict."""
    unknown = sorted(parameters.keys() - known.__annotations__.keys())
    if unknown:
        raise TypeError(f"unexpected keyword arguments {', '.join(unknown)}; known: {', '.join(known.__annotations__)}")


class RunStart(NamedTuple):
    """The first call for following a run: it creates the run, or reads one whose id is known.

    Attributes:
        call: The call.
        response_id: Id of the run if it is known.
        again: Makes the call for a further attempt; None if only the caller can.
        attempt: The attempt of the call, from 1.
        renewed_after: How an earlier run must have ended so that another one is made under the next key.
    """

    call: Call[ResponseObject]
    response_id: str | None = None
    again: Callable[[int], Call[ResponseObject]] | None = None
    attempt: int = 1
    renewed_after: frozenset[ResponseStatus] = frozenset()

    def note_key(self, error: LumnisAIError) -> None:
        """Note how to repeat the call after an error that leaves open whether there is a run."""
        key = self.call.idempotency_key
        if key is not None and isinstance(error, RateLimitError | TransportError):
            hint = "The run may exist already. To repeat the call without creating a second one, pass "
            error.add_note(f"{hint}idempotency_key={key!r}.")

    def answered(self, now: float, took: float) -> None:
        """Note when the answer was there, in seconds since the epoch, and how many seconds the call took."""
        if isinstance(self.call.read, CreatedRun):
            self.call.read.now, self.call.read.took = now, took

    def is_earlier(self, *, surely: bool = False) -> bool:
        """Return whether the run was there before the call."""
        created = self.call.read
        return self.response_id is not None or (isinstance(created, CreatedRun) and created.is_earlier(surely=surely))

    def ended(self, run: ResponseObject | None) -> None:
        """Note how the run has ended, for further calls in this process; None for one that was stopped."""
        if (ResponseStatus.CANCELLED if run is None else run.status) in self.renewed_after:
            note_used_up(self.call.idempotency_key)

    def is_renewed_after(self, run: ResponseObject) -> bool:
        """Decide whether another run is made under the next key, because this one was there before the call.

        Whoever made it has left or has seen it fail. A run of this call that ends without an answer is its error. A run
        that was cancelled is made again even if it is not sure that it was there: otherwise its work would be missing.
        """
        if run.status not in self.renewed_after or self.attempt == MOST_ATTEMPTS:
            return False
        return self.is_earlier(surely=run.status == ResponseStatus.FAILED)

    def renewed(self, run: ResponseObject) -> RunStart | None:
        """Return the start of the next attempt, if there is one."""
        if self.again is None or not self.is_renewed_after(run):
            return None
        return self._replace(call=self.again(self.attempt + 1), attempt=self.attempt + 1)


def run_start(settings: Settings, messages: MessagesInput, parameters: RunParameters) -> RunStart:
    """Describe how to create a run, and again under the next key of a function whose run has no answer."""
    make_key = parameters.get("idempotency_key")
    if not callable(make_key):
        return RunStart(create_call(settings, messages, parameters))

    def call(attempt: int) -> Call[ResponseObject]:
        return create_call(settings, messages, parameters, attempt=attempt)

    attempt = 1
    while is_used_up((first := call(attempt)).idempotency_key) and attempt < MOST_ATTEMPTS:
        attempt += 1
    return RunStart(first, again=call, attempt=attempt, renewed_after=_WITHOUT_ANSWER)


def create_call(
    settings: Settings, messages: MessagesInput, parameters: RunParameters, *, attempt: int = 1
) -> Call[ResponseObject]:
    """Describe ``POST /v1/responses``, with an idempotency key that all tries of the call share."""
    refuse_unknown(parameters, RunParameters)
    user = user_of_call(settings, user_id=parameters.get("user_id"), scope=parameters.get("scope"))
    sent: RunParameters = {**parameters, "user_id": user}
    body = create_body(messages, **sent)
    chosen = parameters.get("idempotency_key")
    key = str(uuid4()) if chosen is None else key_of(chosen, body, attempt)
    return Call("POST", ROUTE, CreatedRun() if callable(chosen) else _RUN, body=body, idempotency_key=key)


def get_call(response_id: str, *, wait: float | None = None) -> Call[ResponseObject]:
    """Describe ``GET /v1/responses/{id}``, which the service may hold for ``wait`` seconds."""
    if wait is not None and not 0 <= wait < float("inf"):
        raise ValidationError(f"wait must be a number of seconds, 0 or more, not {wait!r}.")
    query = {"wait": float(wait)} if wait else {}
    return Call(
        "GET", path(_ONE, response_id), partial(_run_with_id, str(response_id)), query=query, held=float(wait or 0.0)
    )


def _run_with_id(response_id: str, data: Any) -> ResponseObject:
    """Read a run, and refuse another one: it may be somebody else's."""
    run = ResponseObject.model_validate(data)
    if _is_other_run(response_id, str(run.response_id)):
        raise Problem(
            f"the answer is about run {run.response_id}, not about {response_id}. It was not used: a proxy or a "
            "connection mixes up answers",
            status=200,
            kind=TransportError,
        )
    return run


def _is_other_run(wanted: str, found: str) -> bool:
    """Whether ids are those of two runs. An id that is not a UUID may be another name of the run that is found."""
    if wanted == found:
        return False
    if (known := _uuid(wanted)) is not None:
        return known != _uuid(found)
    return _NUMBERS.sub("", wanted) == _NUMBERS.sub("", found)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


_NUMBERS = re.compile(r"\d+")


def cancel_call(response_id: str) -> Call[None]:
    """Describe ``POST /v1/responses/{id}/cancel``, with a key, so that it can be retried."""
    return Call("POST", path(_ONE + "/cancel", response_id), nothing, idempotency_key=str(uuid4()))


def create_body(messages: MessagesInput, **parameters: Unpack[RunParameters]) -> dict[str, Any]:
    """Validate a new run and write the body of the request that creates it."""
    body: dict[str, Any] = {"messages": wire_messages(messages)}
    for name, value in parameters.items():
        written = _WIRE_FORMS[name](value) if value is not None and name in _WIRE_FORMS else value
        if written is not None and name not in _NOT_IN_BODY:
            body[name] = written
    return body | dict(parameters.get("extra_body") or {})


def wire_messages(messages: MessagesInput) -> list[dict[str, str]]:
    """Write a conversation as a list of roles and texts. A string is one user message."""
    if isinstance(messages, str):
        return [{"role": MessageRole.USER.value, "content": messages}]
    if isinstance(messages, Message | Mapping):
        return [_wire_message(0, messages)]
    if not isinstance(messages, Sequence) or isinstance(messages, bytes | bytearray):
        raise ValidationError(
            f"messages must be a string, a message or a list of messages, not {type(messages).__name__}."
        )
    if not messages:
        raise ValidationError('messages is empty: pass a string or at least one {"role": "user", "content": ...}.')
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
    """Return the JSON Schema of a pydantic class; a JSON Schema stays as it is."""
    if isinstance(response_format, type) and issubclass(response_format, BaseModel):
        return response_format.model_json_schema()
    if isinstance(response_format, Mapping):
        return dict(response_format)
    raise ValidationError(
        f"response_format must be a pydantic model class or a JSON Schema dict, not {response_format!r}."
    )


def _wire_thread_id(thread_id: str | UUID) -> str:
    if not str(thread_id).strip():
        raise ValidationError("thread_id is empty: leave it out, or pass the id that the service returned.")
    return str(thread_id)


def _wire_files(files: Sequence[FileAttachment | Mapping[str, Any]]) -> list[dict[str, Any]] | None:
    attachments = [_validated(FileAttachment, f"files[{index}]", file) for index, file in enumerate(files)]
    for index, file in enumerate(attachments):
        if not _is_remote(file.uri):
            raise LocalFileNotSupported(
                f"files[{index}] names {file.uri!r}, which looks like a local path. Pass an artifact id "
                f"(artifact_...) or a URI with one of the schemes {', '.join(_URI_SCHEMES)}."
            )
    return [file.model_dump(mode="json", exclude_none=True) for file in attachments] or None


def _is_remote(uri: str) -> bool:
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", uri)  # at least two letters: C: is a drive
    return uri.startswith("artifact_") or (scheme is not None and scheme[1].lower() in _URI_SCHEMES)


def _wire_settings(kind: type[BaseModel], name: str, value: object) -> dict[str, Any]:
    return _validated(kind, name, value).model_dump(mode="json", exclude_unset=True, exclude_none=True)


def _validated(kind: type[ModelT], name: str, value: object) -> ModelT:
    if isinstance(value, kind):
        return value
    try:
        return kind.model_validate(dict(value) if isinstance(value, Mapping) else value)
    except pydantic.ValidationError as error:
        problems = "; ".join(
            f"{'.'.join([name, *map(str, item['loc'])])}: {item['msg']}" for item in error.errors(include_input=False)
        )
        known = ", ".join(kind.model_fields)
        raise ValidationError(
            f"{problems}. Known fields of {name}: {known}. Pass any other field with extra_body=."
        ) from error


#: Parameters that the call needs in another place than its body.
_NOT_IN_BODY = frozenset({"scope", "idempotency_key", "extra_body"})

#: How to write parameters that are not sent as they are.
_WIRE_FORMS: dict[str, Callable[[Any], object]] = {
    "thread_id": _wire_thread_id,
    "response_format": schema_of,
    "model_overrides": lambda value: _wire_settings(ModelOverrides, "model_overrides", value),
    "agent_config": lambda value: _wire_settings(AgentConfig, "agent_config", value),
    "files": _wire_files,
}
