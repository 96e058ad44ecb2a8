"""Answers: status, headers and body of what a service sent, read as a result or as one of our errors. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import pydantic
from pydantic import BaseModel, SecretStr

from lumnisai_core._transport.call import Call
from lumnisai_core._transport.retry import parse_retry_after
from lumnisai_core._transport.secrets import plain, without_secret, without_secret_bytes
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

_CHARSET = re.compile(r"charset=[\"']?([\w.-]+)", re.IGNORECASE)

#: Characters of a message that a platform has put together from several problems.
_MESSAGE_CHARACTERS = 2000


class Answer(NamedTuple):
    """An answer: status, headers (names in lower case) and the whole body."""

    status: int
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def claims_json(self) -> bool:
        """Whether the content type is JSON or missing."""
        return "json" in self.headers.get("content-type", "json").lower()

    @property
    def request_id(self) -> str | None:
        """The service's name for this request."""
        name = self.headers.get("x-request-id")
        return None if name is None else shortened(name)

    @property
    def text(self) -> str:
        """The body as text, in the charset that the answer names, or UTF-8; bytes that do not fit are replaced."""
        named = _CHARSET.search(self.headers.get("content-type", ""))
        if named is not None:
            with suppress(LookupError):
                return self.body.decode(named[1], "replace")
        return self.body.decode("utf-8", "replace")

    def cookie(self, name: str) -> str | None:
        """Return the value that the answer sets for a cookie, the last one if there are several."""
        found = re.findall(rf"(?:^|,)\s*{re.escape(name)}=([^;,\s]*)", self.headers.get("set-cookie", ""))
        return found[-1].strip('"') if found else None

    def without(self, secrets: Iterable[str | SecretStr]) -> Answer:
        """Return the same answer with secrets redacted in its headers and body."""
        headers, body = self.headers, self.body
        values = "\n".join(headers.values())
        for secret in map(plain, secrets):
            body = without_secret_bytes(body, secret)
            if without_secret(values, secret) != values:
                headers = {name: without_secret(value, secret) for name, value in headers.items()}
        is_same = headers is self.headers and body == self.body
        return self if is_same else self._replace(headers=headers, body=body)


class Problem(Exception):
    """An error that a service reports, as a platform reads it. Its ``unwrap`` and the ``read`` of a call may raise it.

    Args:
        message: Text for people, or empty.
        code: The service's own error code.
        status: HTTP status that this error amounts to, if it is not the answer's own. It chooses the error class and
            decides about logging in anew and trying again. An error inside a 2xx answer is a 400 by default.
        kind: Error class, if the status does not choose it.
    """

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        status: int | None = None,
        kind: type[LumnisAIError] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.kind = kind


# Results


def json_of(call: Call[Any], answer: Answer) -> Any:
    """Parse the body of a good answer; None if it is empty.

    Raises:
        TransportError: The body is not JSON.
    """
    try:
        return _parsed(answer) if answer.body.strip() else None
    except (ValueError, RecursionError) as error:
        raise _unreadable(call, answer, "is not JSON") from error


def read_with(call: Call[T], data: Any, answer: Answer) -> T:
    """Read the data of a good answer as the call's result.

    Raises:
        TransportError: The data does not have the documented shape.
    """
    try:
        return call.read(data)
    except pydantic.ValidationError as error:
        places = ", ".join(".".join(map(str, item["loc"])) or "body" for item in error.errors(include_input=False))
        raise _unreadable(call, answer, f"has an unexpected shape at {shortened(places)}") from error


def _unreadable(call: Call[Any], answer: Answer, problem: str) -> TransportError:
    quoted = f": {_quoted(answer.body)}" if answer.body and not call.confidential else ""
    return TransportError(
        f"The answer to {call} (status {answer.status}) {problem}{quoted}. Is the base URL that of the service?",
        status_code=answer.status,
        request_id=answer.request_id,
    )


def model(kind: type[ModelT]) -> Callable[[Any], ModelT]:
    """Read one object as this model."""
    return kind.model_validate


def models(kind: type[ModelT]) -> Callable[[Any], list[ModelT]]:
    """Read a bare array of these models; elements that cannot be read are left out and logged."""

    def read(data: Any) -> list[ModelT]:
        if data is None:
            return []
        rows = []
        for index, row in enumerate(pydantic.TypeAdapter(list[Any]).validate_python(data)):
            try:
                rows.append(kind.model_validate(row))
            except pydantic.ValidationError:
                logger.warning("Left out of a list: element %d cannot be read as %s", index, kind.__name__)
        return rows

    return read


def nothing(data: Any) -> None:
    """Ignore the body: the status is the result."""


# Errors


def error_detail(answer: Answer) -> Any:
    """Return the body of an error answer: parsed JSON, or its text, or None if it is empty."""
    try:
        return _parsed(answer)
    except (ValueError, RecursionError):
        return answer.body.decode("utf-8", "replace") or None


def _parsed(answer: Answer) -> Any:
    """Parse JSON, which is UTF-8, 16 or 32, or else in the charset that the answer names."""
    try:
        return json.loads(answer.body)
    except UnicodeDecodeError:
        named = _CHARSET.search(answer.headers.get("content-type", ""))
        if named is None:
            raise
        with suppress(LookupError):
            return json.loads(answer.body.decode(named[1]))
        raise


def error_for(call: Call[Any], answer: Answer, problem: Problem, detail: Any, *, now: float) -> LumnisAIError:
    """Return the error to raise for what a service reports.

    Args:
        call: The request it answers.
        answer: The answer, secrets already removed.
        problem: The report.
        detail: The answer's body for the error's ``detail``.
        now: Seconds since the epoch, for a ``Retry-After`` that is a date, in an answer without ``Date``.
    """
    status = problem.status or (HTTPStatus.BAD_REQUEST if answer.is_success else answer.status)
    message = f"{call}: {_status_text(status)}"
    if problem.message and not call.confidential:
        message += f": {shortened(problem.message, _MESSAGE_CHARACTERS)}"
    known: dict[str, Any] = {
        "status_code": int(status),
        "request_id": answer.request_id,
        "code": None if problem.code is None else shortened(problem.code),
        "detail": None if call.confidential else detail,
    }
    kind = problem.kind or _error_class(status)
    if issubclass(kind, RateLimitError):
        known["retry_after"] = parse_retry_after(answer.headers, now=now)
    return kind(message, **known)


def _error_class(status: int) -> type[LumnisAIError]:
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return AuthenticationError
        case HTTPStatus.NOT_FOUND:
            return NotFoundError
        case HTTPStatus.CONFLICT:
            return ConflictError
        case HTTPStatus.TOO_MANY_REQUESTS:
            return RateLimitError
        case _ if 400 <= status < 500:
            return ValidationError
        case _:
            return TransportError


def _status_text(status: int) -> str:
    try:
        return f"{int(status)} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


# Quoting


#: A tag, with its name and the slash of its end. It holds no other ``<`` and gives nothing back, or a page made of
#: half tags would take time that grows with the square of its length.
_TAG = re.compile(r"<(/?[a-zA-Z]++|[!?])[^<>]{0,500}+>")

#: Characters of a page that are looked at; its words are shortened to far fewer.
_LONGEST_PAGE = 100_000


def words_of(text: str) -> str:
    """Reduce a text or an HTML page to its words, shortened, in time linear in its length."""
    text = text[:_LONGEST_PAGE]
    words: list[str] = []
    end, closing = 0, ""
    for tag in _TAG.finditer(text):
        name = tag[1].lower()
        if not closing:
            words.append(text[end : tag.start()])
            closing = f"/{name}" if name in ("script", "style") else ""
        elif name == closing:
            closing = ""
        end = tag.end()
    return shortened(" ".join(words if closing else [*words, text[end:]]))


def shortened(text: str, longest: int = _QUOTED_CHARACTERS) -> str:
    """Return a text on one line, cut after so many characters."""
    words = " ".join(text[: 8 * longest].split())
    return words if len(words) <= longest else words[: longest - 1] + "…"


def compact_json(data: Any) -> str:
    """Return data as JSON, shortened, for a message."""
    return shortened(json.dumps(data, ensure_ascii=False))


def _quoted(body: bytes) -> str:
    return repr(shortened(body[: 4 * _QUOTED_CHARACTERS].decode("utf-8", "replace")))
