"""The body of ``POST /v1/responses``: everything about a new run is checked here, before it is sent. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import pydantic
from pydantic import BaseModel

from lumnisai_core.exceptions import LocalFileNotSupported, ValidationError
from lumnisai_core.models import AgentConfig, FileAttachment, Message, MessageRole, ModelOverrides

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
