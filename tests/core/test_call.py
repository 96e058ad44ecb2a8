"""Describing requests."""

from __future__ import annotations

from datetime import date

import pytest

from lumnisai_core._transport.call import Call, json_bytes, path, query_pairs
from lumnisai_core._transport.checks import check_seconds
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumnis.models import ResponseStatus


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("abc", "/v1/threads/abc/responses"),
        ("a b", "/v1/threads/a%20b/responses"),
        ("../tenant", "/v1/threads/..%2Ftenant/responses"),
        ("a?b#c", "/v1/threads/a%3Fb%23c/responses"),
        ("x@y.example", "/v1/threads/x%40y.example/responses"),
        ("潮", "/v1/threads/%E6%BD%AE/responses"),
        ("a\x00b", "/v1/threads/a%00b/responses"),
        ("{}", "/v1/threads/%7B%7D/responses"),
    ],
)
def test_no_id_can_change_the_route(given: str, expected: str) -> None:
    """Path parameters are percent-encoded whole."""
    assert path("/v1/threads/{}/responses", given) == expected


@pytest.mark.parametrize("given", ["", ".", "..", " ", " .. "])
def test_ids_that_a_server_would_resolve_are_refused(given: str) -> None:
    """Empty and dot-only ids never leave the client."""
    with pytest.raises(ValidationError, match="not a usable id"):
        path("/v1/threads/{}", given)


def test_query_values_are_written_as_the_service_reads_them() -> None:
    """None is left out, booleans are words, lists are joined, whole seconds have no point."""
    query = {"a": None, "b": True, "c": ["x", "y"], "d": 10.0, "e": 0.5, "f": ResponseStatus.FAILED, "g": 3, "h": "s"}
    assert query_pairs(query) == {"b": "true", "c": "x,y", "d": "10", "e": "0.5", "f": "failed", "g": "3", "h": "s"}


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, b"bytes", "\ud800", date(2026, 1, 1)])
def test_what_is_not_json_is_refused_before_sending(value: object) -> None:
    """A body that cannot be written is our ValidationError."""
    with pytest.raises(ValidationError, match="cannot be written as JSON"):
        json_bytes({"options": value})


def test_text_is_sent_as_it_is() -> None:
    """JSON bodies are UTF-8 without escapes."""
    assert json_bytes({"content": "潮 🌊"}) == '{"content":"潮 🌊"}'.encode()


@pytest.mark.parametrize(
    ("method", "key", "repeatable"), [("GET", None, True), ("POST", None, False), ("POST", "k", True)]
)
def test_only_safe_or_keyed_requests_can_be_repeated(method: str, key: str | None, repeatable: bool) -> None:
    """A POST without an idempotency key is sent once."""
    assert Call(method, "/", lambda data: data, idempotency_key=key).repeatable is repeatable


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "3", None, True])
def test_seconds_are_positive_numbers(value: object) -> None:
    """Anything else is named in the error."""
    with pytest.raises(ValidationError, match="timeout must be a positive number of seconds"):
        check_seconds("timeout", value)
