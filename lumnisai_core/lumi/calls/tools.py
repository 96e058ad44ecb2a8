"""Calls of tools and functions: e-mail, files, texts, images, and functions of the application. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias

from pydantic import SecretStr

from lumnisai_core._transport import answer
from lumnisai_core._transport.answer import Answer
from lumnisai_core._transport.call import Call, Form, FormFile, QueryValue
from lumnisai_core._transport.checks import not_none, path, text, texts
from lumnisai_core._transport.request import merged
from lumnisai_core._transport.secrets import Concealed
from lumnisai_core._transport.upload import FileInput, NamedFile, form_file
from lumnisai_core.exceptions import ConfigurationError, TransportError, ValidationError
from lumnisai_core.lumi.calls.values import address, moment, plain_json
from lumnisai_core.lumi.models import (
    GeneratedImage,
    GeneratedText,
    UploadedFile,
)

TEXT_MODEL = "gemini-2.5-flash"
IMAGE_MODEL = "gemini-2.5-flash-image"

#: A message for a model: ``role`` (``system``, ``user`` or ``assistant``), ``content``, and pictures as ``medias``,
#: each with ``mime_type`` and ``url``.
Message: TypeAlias = Mapping[str, Any]
Messages: TypeAlias = str | Iterable[Message]

ResponseType: TypeAlias = Literal["json", "text", "bytes", "stream"]

# E-mail and files


def send_email(
    project_id: str,
    *,
    to: str | Sequence[str],
    subject: str,
    html: str | None,
    text_body: str | None,
    from_name: str | None,
    reply_to: str | Sequence[str] | None,
    scheduled_at: datetime | str | None,
) -> Call[None]:
    """Send an e-mail. It is never sent twice."""
    if not html and not text_body:
        raise ValidationError("Pass html or text: an e-mail needs one of them.")
    for name, value in (("html", html), ("text", text_body), ("from_name", from_name)):
        if not isinstance(value, str | None):
            raise ValidationError(f"{name} must be a string, not {type(value).__name__}.")
    body = {
        "to": _addresses("to", to),
        "subject": text("subject", subject),
        **not_none(fromName=from_name, html=html),
        "text": text_body or "",
        **not_none(
            replyTo=None if reply_to is None else _addresses("reply_to", reply_to),
            scheduledAt=None if scheduled_at is None else moment("scheduled_at", scheduled_at),
        ),
    }
    return Call("POST", path("/lm/{}/email/send", project_id), answer.nothing, body=body)


def _addresses(name: str, addresses: str | Sequence[str]) -> list[str]:
    return [address(name, one) for one in ([addresses] if isinstance(addresses, str) else texts(name, addresses))]


def upload(project_id: str, files: Iterable[FileInput | NamedFile]) -> Call[Sequence[UploadedFile]]:
    """Upload files. They are never sent twice: each arrival stores them anew."""
    form = Form({}, form_files(files))

    def read(data: Any) -> Sequence[UploadedFile]:
        found = answer.models(UploadedFile)(data)
        if len(found) != len(form.files):
            raise TransportError(f"{len(form.files)} files were uploaded, and the answer reports on {len(found)}.")
        return found

    return Call("POST", path("/lm/{}/file/batch", project_id), read, form=form)


def form_files(files: Iterable[FileInput | NamedFile]) -> Sequence[FormFile]:
    """Describe files as parts of a form.

    Raises:
        ValidationError: There are none, or one has no name or cannot be read.
    """
    if isinstance(files, str | bytes | bytearray | memoryview) or not isinstance(files, Iterable):
        raise ValidationError(f"files must be a list of files, not {type(files).__name__}.")
    parts = [form_file("files", file) for file in files]
    if not parts:
        raise ValidationError("files is empty: pass at least one.")
    return parts


def delete_files(project_id: str, urls: Sequence[str]) -> Call[None]:
    """Delete uploaded files."""
    body = {"fileUrls": texts("urls", urls)}
    return Call("DELETE", path("/lm/{}/file/batch", project_id), answer.nothing, body=body)


# Texts and images


def generate_text(project_id: str, key: SecretStr | None, messages: Messages, model: str | None) -> Call[GeneratedText]:
    """Let a model answer. It costs something, so it is never sent twice."""
    body = _generation(key, model or TEXT_MODEL, messages)
    return Call("POST", path("/lm/{}/ai/chat/completions", project_id), answer.model(GeneratedText), body=body)


def stream_text(project_id: str, key: SecretStr | None, messages: Messages, model: str | None) -> Call[bytes]:
    """Let a model answer piece by piece."""
    body = _generation(key, model or TEXT_MODEL, messages)
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return Call("POST", path("/lm/{}/ai/chat/stream", project_id), bytes, body=body, headers=headers)


def start_image(project_id: str, key: SecretStr | None, messages: Messages, model: str | None) -> Call[GeneratedImage]:
    """Let a model draw. It costs something, so it is never sent twice."""
    body = _generation(key, model or IMAGE_MODEL, messages)
    return Call("POST", path("/lm/{}/ai/image/task", project_id), answer.model(GeneratedImage), body=body)


def get_image(project_id: str, key: SecretStr | None, message_id: str) -> Call[GeneratedImage]:
    """Read how far an image is."""
    body = _with_key(key, messageId=text("message_id", message_id))
    read = answer.model(GeneratedImage)
    return Call("POST", path("/lm/{}/ai/image/get", project_id), read, body=body, idempotent=True)


def image_pauses(first: float) -> Iterator[float]:
    """Yield the seconds before each look at an image: they grow by half of the first one, up to five times it."""
    pause = first
    while True:
        yield pause
        pause = min(pause + first / 2, 5 * first)


def _generation(key: SecretStr | None, model: str, messages: Messages) -> Concealed:
    return _with_key(key, modelName=text("model", model), chatMessages=chat_messages(messages))


def _with_key(key: SecretStr | None, **fields: Any) -> Concealed:
    if key is None:
        raise ConfigurationError(
            "No API key for text and images. Set the environment variable LUMI_API_KEY or pass api_key=.", code="10400"
        )
    return Concealed({"lumiApiKey": key.get_secret_value(), **fields})


_ROLES = ("system", "user", "assistant")


def chat_messages(messages: Messages) -> list[dict[str, Any]]:
    """Check messages and write them as the service does; a text is one message of the user.

    Raises:
        ValidationError: There are none, or one has a wrong role, no content, or a field that cannot be sent.
    """
    if isinstance(messages, str):
        messages = [{"role": "user", "content": text("messages", messages)}]
    if isinstance(messages, Mapping) or not isinstance(messages, Iterable):
        raise ValidationError(f"messages must be a string or a list of dicts, not {type(messages).__name__}.")
    written = [_message(f"messages[{index}]", message) for index, message in enumerate(messages)]
    if not written:
        raise ValidationError("messages is empty: pass at least one.")
    return written


def _message(name: str, message: Message) -> dict[str, Any]:
    if not isinstance(message, Mapping):
        raise ValidationError(f"{name} must be a dict with role and content, not {type(message).__name__}.")
    if unknown := message.keys() - {"role", "content", "medias"}:
        raise ValidationError(f"{name} has {', '.join(sorted(map(str, unknown)))}; it may have role, content, medias.")
    role, content, medias = message.get("role"), message.get("content"), message.get("medias")
    if role not in _ROLES:
        raise ValidationError(f"{name}: role must be one of {', '.join(_ROLES)}, not {role!r}.")
    if not isinstance(content, str):
        raise ValidationError(f"{name}: content must be a string, not {type(content).__name__}.")
    rows = [_media(f"{name}.medias[{index}]", media) for index, media in enumerate(medias or ())]
    return {"role": role, "content": content, **({"medias": rows} if rows else {})}


def _media(name: str, media: Any) -> dict[str, str]:
    kind = media.get("mimeType", media.get("mime_type")) if isinstance(media, Mapping) else None
    if not isinstance(media, Mapping) or not isinstance(kind, str) or not isinstance(media.get("url"), str):
        raise ValidationError(f"{name} must be a dict with mime_type and url, both strings.")
    return {"mimeType": kind, "url": media["url"]}


# Functions


def invoke(
    project_id: str,
    name: str,
    *,
    method: str | None,
    query: Mapping[str, QueryValue | Sequence[str]] | None,
    body: Any,
    form: Mapping[str, str] | None,
    files: Iterable[FileInput | NamedFile] | None,
    headers: Mapping[str, str] | None,
    response_type: ResponseType | None,
) -> Call[Any]:
    """Call a function. What it answers has no envelope."""
    has_form = form is not None or files is not None
    if body is not None and has_form:
        raise ValidationError("Pass body, or form and files: a request has only one content.")
    for argument, value in (("query", query), ("headers", headers), ("form", form)):
        if not isinstance(value, Mapping | None):
            raise ValidationError(f"{argument} must be a dict, not {type(value).__name__}.")
    if response_type not in (None, "json", "text", "bytes", "stream"):
        raise ValidationError(f"response_type must be json, text, bytes or stream, not {response_type!r}.")
    verb = method or ("GET" if body is None and not has_form else "POST")
    if not isinstance(verb, str) or not verb.isascii() or not verb.isalpha():
        raise ValidationError(f"method must be an HTTP method such as PUT, not {verb!r}.")
    own: dict[str, str | SecretStr] = {}
    content: dict[str, Any] = {}
    if isinstance(body, str | bytes):
        own["Content-Type"] = "text/plain; charset=utf-8" if isinstance(body, str) else "application/octet-stream"
        content["content"] = body.encode() if isinstance(body, str) else body
    elif body is not None:
        content["body"] = plain_json(body)
    elif has_form:
        content["form"] = Form(dict(form or {}), form_files(files) if files is not None else ())
    call: Call[Any] = Call(
        verb.upper(),
        path("/v1/functions/{}/{}", project_id, text("name", name)),
        answer.nothing,
        query=_pairs(query or {}),
        headers=merged(own, dict(headers or {})),
        **content,
    )
    return call.read_by(lambda reply: function_result(call, reply, response_type), whole_answer=True)


def _pairs(query: Mapping[str, QueryValue | Sequence[str]]) -> tuple[tuple[str, QueryValue], ...]:
    pairs: list[tuple[str, QueryValue]] = []
    for name, value in query.items():
        values = value if isinstance(value, list | tuple) else [value]
        pairs += [(name, one) for one in values]
    return tuple(pairs)


def function_result(call: Call[Any], reply: Answer, response_type: ResponseType | None) -> Any:
    """Read what a function returned, by its content type unless a type is named; None if it returned nothing.

    Raises:
        TransportError: It is not JSON although it should be.
    """
    kind = reply.headers.get("content-type", "").lower()
    if response_type == "json" or (response_type is None and "json" in kind):
        return answer.json_of(call, reply)
    if response_type == "text" or (response_type is None and (kind.startswith("text/") or "xml" in kind)):
        return reply.text
    return reply.body if reply.body or response_type else None
