"""Reading one answer: status, headers and body become a result or one of our errors. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import pydantic
from pydantic import BaseModel

from lumnisai_core._transport.call import Call
from lumnisai_core._transport.retry import parse_retry_after
from lumnisai_core._transport.wire import logger
from lumnisai_core.exceptions import (
    AuthenticationError,
    ConflictError,
    LumnisAIError,
    NotFoundError,
    RateLimitError,
    TransportError,
    ValidationError,
)

T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=BaseModel)

_QUOTED_CHARACTERS = 300


class Answer(NamedTuple):
    """What came back: status, headers (names in lower case) and the whole body."""

    status: int
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def claims_json(self) -> bool:
        """Whether the content type says JSON, or nothing."""
        return "json" in self.headers.get("content-type", "json").lower()

    @property
    def request_id(self) -> str | None:
        """The service's name for this request."""
        return self.headers.get("x-request-id")

    def without(self, secret: str) -> Answer:
        """Return the same answer with a secret blotted out of its body."""
        key = secret.encode()
        return self._replace(body=self.body.replace(key, b"[redacted]")) if key in self.body else self


def read_answer(call: Call[T], answer: Answer) -> T:
    """Turn a 2xx answer into the call's result.

    Raises:
        TransportError: The body is not JSON or not of the documented shape.
    """
    try:
        data = json.loads(answer.body) if answer.body.strip() else None
    except (ValueError, RecursionError) as error:
        raise _unreadable(call, answer, f"is not JSON: {_quoted(answer.body)}") from error
    try:
        return call.read(data)
    except pydantic.ValidationError as error:
        places = ", ".join(".".join(map(str, item["loc"])) or "body" for item in error.errors(include_input=False))
        raise _unreadable(call, answer, f"has an unexpected shape at {places}: {_quoted(answer.body)}") from error


def _unreadable(call: Call[Any], answer: Answer, problem: str) -> TransportError:
    return TransportError(
        f"The answer to {call} (status {answer.status}) {problem}. Is the base URL that of the service?",
        status_code=answer.status,
        request_id=answer.request_id,
    )


def model(kind: type[ModelT]) -> Callable[[Any], ModelT]:
    """Read one object as this model."""
    return kind.model_validate


def models(kind: type[ModelT]) -> Callable[[Any], list[ModelT]]:
    """Read a bare array of these models, leaving out (and logging) elements that are none."""

    def read(data: Any) -> list[ModelT]:
        if data is None:
            return []
        rows = []
        for index, row in enumerate(pydantic.TypeAdapter(list[Any]).validate_python(data)):
            try:
                rows.append(kind.model_validate(row))
            except pydantic.ValidationError:
                logger.warning("Left out of a list: element %d is no %s", index, kind.__name__)
        return rows

    return read


def nothing(data: Any) -> None:
    """Ignore the body: the status says it all."""


def error_from_answer(call: Call[Any], answer: Answer, *, now: float) -> LumnisAIError:
    """Turn an answer that is not 2xx into the error to raise.

    Args:
        call: The request it answers.
        answer: The answer, secrets already removed.
        now: Seconds since the epoch, for a ``Retry-After`` that is a date.
    """
    try:
        detail: Any = json.loads(answer.body)
    except (ValueError, RecursionError):
        detail = answer.body.decode("utf-8", "replace") or None
    said, code = error_message(detail)
    known: dict[str, Any] = {
        "status_code": answer.status,
        "request_id": answer.request_id,
        "code": code,
        "detail": detail,
    }
    message = f"{call}: {_status_text(answer.status)}" + (f": {said}" if said else "")
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        retry_after = parse_retry_after(answer.headers.get("retry-after"), now=now)
        return RateLimitError(message, retry_after=retry_after, **known)
    return _error_class(answer.status)(message, **known)


def _error_class(status: int) -> type[LumnisAIError]:
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return AuthenticationError
        case HTTPStatus.NOT_FOUND:
            return NotFoundError
        case HTTPStatus.CONFLICT:
            return ConflictError
        case _ if 400 <= status < 500:
            return ValidationError
        case _:
            return TransportError


def _status_text(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def error_message(detail: Any) -> tuple[str, str | None]:
    """Find the text and the code in an error body of any known shape.

    The shapes are ``{"error": {"code", "message"}}``, ``{"detail": "text"}``, ``{"detail": [{"loc", "msg"}]}``,
    ``{"detail": {"error": {...}}}``, ``{"message": "text"}`` and anything that is not JSON.
    """
    if isinstance(detail, str):
        return _plain_text(detail), None
    if not isinstance(detail, Mapping):
        return ("", None) if detail is None else (_shortened(json.dumps(detail, ensure_ascii=False)), None)
    for key in ("error", "detail"):
        inner = detail.get(key)
        if isinstance(inner, Mapping):
            said, code = error_message(inner)
            own = inner.get("code")
            return said, code or (str(own) if own is not None else None)
        if isinstance(inner, str) and inner:
            return _shortened(inner), None
        if isinstance(inner, list) and inner:
            return "; ".join(_problem_text(problem) for problem in inner), None
    message = detail.get("message")
    if isinstance(message, str) and message:
        return _shortened(message), None
    return _shortened(json.dumps(detail, ensure_ascii=False)) if detail else "", None


def _problem_text(problem: Any) -> str:
    if not isinstance(problem, Mapping):
        return _shortened(str(problem))
    location = problem.get("loc")
    place = ".".join(str(step) for step in location) if isinstance(location, list) else ""
    said = str(problem.get("msg") or json.dumps(problem, ensure_ascii=False))
    return f"{place}: {said}" if place else said


def _plain_text(text: str) -> str:
    """Reduce a text or HTML page to its words."""
    without_code = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>", " ", text)
    return _shortened(re.sub(r"<[^>]{1,500}>", " ", without_code))


def _quoted(body: bytes) -> str:
    return repr(_shortened(body[: 4 * _QUOTED_CHARACTERS].decode("utf-8", "replace")))


def _shortened(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _QUOTED_CHARACTERS else words[: _QUOTED_CHARACTERS - 1] + "…"
