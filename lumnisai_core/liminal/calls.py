"""Calls of Liminal: arguments checked and written as requests, answers read as models. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from lumnisai_core._transport import answer
from lumnisai_core._transport.answer import Problem
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.checks import text
from lumnisai_core.exceptions import ModelInstanceUnknownError, TransportError, ValidationError
from lumnisai_core.liminal.config import refusal
from lumnisai_core.liminal.models import (
    AnalyzeResponse,
    CleanseResponse,
    Finding,
    HydrateResponse,
    ModelInstance,
    StreamResponseChunk,
    SubmitResponse,
    Thread,
)

#: Findings to apply: those of an analysis as they came, or a selection of them.
Findings: TypeAlias = AnalyzeResponse | Iterable[Finding | Mapping[str, Any]]

_SOURCE = "sdk"
_SUBMIT = "/api/v1/prompts/submit"


def confirm_session() -> Call[None]:
    """Ask whether the session is valid; the answer may renew its cookie."""
    return Call("GET", "/api/v1/users/me", answer.nothing, whole_answer=True, confidential=True)


# Model instances


def list_model_instances() -> Call[list[ModelInstance]]:
    """List the model instances. The answer may hold credentials."""
    return Call("GET", "/api/v1/model-instances", answer.models(ModelInstance), confidential=True)


def named(instances: Iterable[ModelInstance], name: str) -> ModelInstance:
    """Return the first usable model instance with this name.

    Raises:
        ModelInstanceUnknownError: There is none, or it has no connection to a model.
    """
    matching = [instance for instance in instances if instance.name == name]
    usable = next((instance for instance in matching if instance.model_connections), None)
    if usable is None:
        why = "has no connection to a model" if matching else "does not exist or is not shared with this user"
        raise ModelInstanceUnknownError(
            f"The model instance {name!r} {why}; llm.get_available_model_instances() lists those that can be used."
        )
    return usable


# Threads


def create_thread(model_instance_id: int, name: str) -> Call[Thread]:
    """Create a thread."""
    body = {"name": text("name", name), "modelInstanceId": _id("model_instance_id", model_instance_id)}
    return _thread_call("POST", "/api/v1/threads", answer.model(Thread), body={**body, "source": _SOURCE})


def list_threads() -> Call[list[Thread]]:
    """List the threads that API clients have made."""
    return _thread_call("GET", "/api/v1/threads", answer.models(Thread), query={"source": _SOURCE})


def get_thread(thread_id: int) -> Call[Thread]:
    """Read a thread with its chats."""
    return _thread_call("GET", f"/api/v1/threads/{_id('thread_id', thread_id)}", answer.model(Thread))


def _thread_call(method: str, path: str, read: Any, **known: Any) -> Call[Any]:
    return Call(method, path, read, confidential=True, **known)


# Prompts


def analyze(model_instance_id: int, prompt: str) -> Call[AnalyzeResponse]:
    """Detect the sensitive spans of a prompt."""
    return _prompt_call("analyze", _analysis, _body(model_instance_id, prompt))


def cleanse(
    model_instance_id: int, prompt: str, thread_id: int | None, findings: Findings | None
) -> Call[CleanseResponse]:
    """Replace the sensitive spans of a prompt by placeholders."""
    body = _body_in_thread(model_instance_id, prompt, thread_id, findings)
    return _prompt_call("cleanse", answer.model(CleanseResponse), body)


def hydrate(model_instance_id: int, prompt: str, thread_id: int | None) -> Call[HydrateResponse]:
    """Put the original values back into a text."""
    body = _body_in_thread(model_instance_id, prompt, thread_id, None)
    return _prompt_call("hydrate", answer.model(HydrateResponse), body)


def submit(
    model_instance_id: int, prompt: str, thread_id: int | None, findings: Findings | None
) -> Call[SubmitResponse]:
    """Submit a prompt. It stores a chat, so it is never sent twice."""
    body = _body_in_thread(model_instance_id, prompt, thread_id, findings)
    return _prompt_call("submit", answer.model(SubmitResponse), body, idempotent=False)


def stream(
    model_instance_id: int, prompt: str, thread_id: int | None, findings: Findings | None
) -> Call[StreamResponseChunk]:
    """Submit a prompt whose answer is streamed."""
    body = _body_in_thread(model_instance_id, prompt, thread_id, findings)
    return _prompt_call("submit", chunk_of, {**body, "isStreaming": True}, idempotent=False)


def _prompt_call(route: str, read: Any, body: Mapping[str, Any], *, idempotent: bool = True) -> Call[Any]:
    return Call("POST", f"/api/v1/prompts/{route}", read, body=body, idempotent=idempotent, confidential=True)


def _body(model_instance_id: int, prompt: str) -> dict[str, Any]:
    if not isinstance(prompt, str) or not prompt.strip():
        # The value stays out of the message: a list of messages, for instance, would be quoted.
        found = "a blank one" if isinstance(prompt, str) else type(prompt).__name__
        raise ValidationError(f"prompt must be a non-empty string, not {found}.")
    return {"modelInstanceId": _id("model_instance_id", model_instance_id), "source": _SOURCE, "text": prompt}


def _body_in_thread(
    model_instance_id: int, prompt: str, thread_id: int | None, findings: Findings | None
) -> dict[str, Any]:
    body = _body(model_instance_id, prompt)
    body["threadId"] = None if thread_id is None else _id("thread_id", thread_id)
    # An empty list is left out: the service then analyzes the prompt itself, and nothing passes unseen.
    if rows := _rows(findings):
        body["findings"] = rows
    return body


def _rows(findings: Findings | None) -> list[Mapping[str, Any]]:
    chosen = findings.findings if isinstance(findings, AnalyzeResponse) else list(findings or ())
    rows = [finding.as_received() if isinstance(finding, Finding) else finding for finding in chosen]
    if wrong := next((row for row in rows if not isinstance(row, Mapping)), None):
        raise ValidationError(
            f"findings must be an AnalyzeResponse or a list of Finding, not of {type(wrong).__name__}."
        )
    return rows


def _id(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValidationError(f"{name} must be a whole number, not {type(value).__name__}: pass the id of the object.")
    return value


def _analysis(data: Any) -> AnalyzeResponse:
    analysis = AnalyzeResponse.model_validate(data)
    if not isinstance(data, Mapping) or len(analysis.findings) != len(data.get("findings") or ()):
        # A finding left out would let its value pass.
        raise TransportError("The answer to POST /api/v1/prompts/analyze holds findings that cannot be read.")
    return analysis


def chunk_of(data: Any) -> StreamResponseChunk:
    """Read one line of a stream.

    Raises:
        Problem: The line reports an error with a status.
        TransportError: The line is not a piece of an answer.
    """
    if isinstance(data, Mapping) and ("content" in data or "finishReason" in data):
        return StreamResponseChunk.model_validate(data)
    status = data.get("statusCode") if isinstance(data, Mapping) else None
    if not isinstance(status, int) or status < 400:
        raise TransportError(f"POST {_SUBMIT}: a line of the stream is not a piece of an answer.")
    raise Problem(status=status, kind=refusal(_SUBMIT, status).kind)
