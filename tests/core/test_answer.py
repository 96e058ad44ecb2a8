"""Reading answers and errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lumnisai_core._transport.answer import (
    Answer,
    error_from_answer,
    error_message,
    model,
    models,
    nothing,
    read_answer,
)
from lumnisai_core._transport.call import Call
from lumnisai_core.exceptions import (
    AuthenticationError,
    ConflictError,
    LumnisAIError,
    NotFoundError,
    RateLimitError,
    TransportError,
    ValidationError,
)
from lumnisai_core.lumnis.models import ThreadList, ThreadObject

CALL = Call("GET", "/v1/threads", model(ThreadList))


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (
            {"error": {"code": "INVALID_API_KEY", "message": "The key is not valid."}},
            "The key is not valid.",
            "INVALID_API_KEY",
        ),
        ({"detail": "Title is too long."}, "Title is too long.", None),
        ({"detail": [{"loc": ["body", "messages"], "msg": "Field required"}]}, "body.messages: Field required", None),
        ({"detail": {"error": {"code": "NO_DATA_SOURCES", "message": "None."}}}, "None.", "NO_DATA_SOURCES"),
        ({"message": "text"}, "text", None),
        ({"error": "only text"}, "only text", None),
        ({"error": {"code": 17, "message": "x"}}, "x", "17"),
        ({"error": None, "message": "m"}, "m", None),
        ({"other": 1}, '{"other": 1}', None),
        (["a"], '["a"]', None),
        ("<html><script>x()</script><h1>Bad</h1> gateway</html>", "Bad gateway", None),
        (None, "", None),
        ({}, "", None),
    ],
)
def test_every_error_shape_gives_its_message(body: Any, message: str, code: str | None) -> None:
    """The text and code are found in all shapes a service or gateway sends."""
    assert error_message(body) == (message, code)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ValidationError),
        (401, AuthenticationError),
        (402, ValidationError),
        (403, AuthenticationError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, ValidationError),
        (422, ValidationError),
        (429, RateLimitError),
        (302, TransportError),
        (500, TransportError),
        (599, TransportError),
    ],
)
def test_each_status_has_its_error(status: int, kind: type[LumnisAIError]) -> None:
    """Errors carry status, request id, code, message and body."""
    body = {"error": {"code": "C", "message": "Because."}}
    answer = Answer(status, {"x-request-id": "req-1"}, json.dumps(body).encode())
    error = error_from_answer(CALL, answer, now=0.0)
    assert type(error) is kind
    assert (error.status_code, error.request_id, error.code, error.detail) == (status, "req-1", "C", body)
    assert "Because." in str(error)
    assert "GET /v1/threads" in str(error)
    assert "req-1" in str(error)


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("1.5", 1.5), ("Thu, 01 Jan 1970 00:01:00 GMT", 50.0), ("soon", None)]
)
def test_retry_after_is_read_in_both_forms(header: str, seconds: float | None) -> None:
    """Seconds, also decimal, and dates are understood; anything else is no error."""
    error = error_from_answer(CALL, Answer(429, {"retry-after": header}, b""), now=10.0)
    assert isinstance(error, RateLimitError)
    assert error.retry_after == seconds


@pytest.mark.parametrize("body", [b"<html>login</html>", b'{"threads": [', b"5", b'"text"', b"[" * 100_000, b"\xff"])
def test_a_good_status_with_an_unreadable_body_is_our_error(body: bytes) -> None:
    """Nothing foreign escapes from a body that is not what was asked for."""
    with pytest.raises(TransportError, match="GET /v1/threads"):
        read_answer(CALL, Answer(200, {}, body))


def test_an_odd_row_does_not_lose_the_list() -> None:
    """Rows of a bare array that are no objects are left out, the others stay."""
    call = Call("GET", "/", models(ThreadObject))
    rows = read_answer(call, Answer(200, {}, b'[{"thread_id": "a"}, 5, {"title": "no id"}, {"thread_id": "b"}]'))
    assert [row.thread_id for row in rows] == ["a", "b"]
    assert read_answer(call, Answer(200, {}, b"null")) == []


def test_a_body_nobody_needs_is_ignored() -> None:
    """DELETE may answer with anything or nothing."""
    call = Call("DELETE", "/", nothing)
    for body in (b"", b'{"message": "gone"}'):
        read_answer(call, Answer(204, {}, body))


def test_a_secret_can_be_blotted_out() -> None:
    """An error body that quotes the key loses it."""
    assert Answer(401, {}, b"bad key lmn_1!").without("lmn_1").body == b"bad key [redacted]!"
