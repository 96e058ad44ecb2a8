"""The error answers of the Lumnis platform."""

from __future__ import annotations

from typing import Any

import pytest

from lumnisai_core._transport.call import Call
from lumnisai_core.lumnis.config import LumnisService

SERVICE = LumnisService("Lumnis", "https://lumnis.example")


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
        ({"detail": [{"type": "x"}, "y"]}, '{"type": "x"}; y', None),
        ({"detail": {"error": {"code": "NO_DATA_SOURCES", "message": "None."}}}, "None.", "NO_DATA_SOURCES"),
        ({"message": "text"}, "text", None),
        ({"error": "only text"}, "only text", None),
        ({"error": {"code": 17, "message": "x"}}, "x", "17"),
        ({"error": {"code": 17}}, '{"code": 17}', "17"),
        ({"error": None, "message": "m"}, "m", None),
        ({"other": 1}, '{"other": 1}', None),
        (["a"], '["a"]', None),
        ("<html><script>x()</script><h1>Bad</h1> gateway</html>", "Bad gateway", None),
        (None, "", None),
        ({}, "", None),
    ],
)
def test_every_error_shape_gives_its_message(body: Any, message: str, code: str | None) -> None:
    """The text and code are found in all shapes that the service or a gateway sends."""
    problem = SERVICE.read_error(400, {}, body)
    assert (problem.message, problem.code) == (message, code)


@pytest.mark.parametrize(
    ("method", "key", "has_key", "repeatable"),
    [
        ("GET", None, False, True),
        ("POST", None, False, False),
        ("POST", "k", True, True),
        ("PATCH", None, True, True),
        ("DELETE", None, True, True),
    ],
)
def test_only_safe_or_keyed_requests_can_be_repeated(
    method: str, key: str | None, has_key: bool, repeatable: bool
) -> None:
    """A POST without an idempotency key is sent once; methods that set a state get a key of their own."""
    request = SERVICE.request_for(Call(method, "/", lambda data: data, idempotency_key=key), timeout=1.0)
    assert ("Idempotency-Key" in request.headers) is has_key
    assert request.repeatable is repeatable
