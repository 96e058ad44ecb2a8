"""Describing requests."""

from __future__ import annotations

from datetime import date

import pytest

from lumnisai_core._transport.call import Call
from lumnisai_core._transport.checks import check_seconds, path
from lumnisai_core._transport.request import json_bytes, query_pairs
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumnis.models import ResponseStatus


@pytest.mark.parametrize(
    ("identifier", "expected"),
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
def test_no_id_can_change_the_route(identifier: str, expected: str) -> None:
    """Path parameters are percent-encoded whole."""
    assert path("/v1/threads/{}/responses", identifier) == expected


@pytest.mark.parametrize("identifier", ["", ".", "..", " ", " .. "])
def test_ids_that_a_server_would_resolve_are_refused(identifier: str) -> None:
    """Empty and dot-only ids never leave the client."""
    with pytest.raises(ValidationError, match="not a usable id"):
        path("/v1/threads/{}", identifier)


def test_query_values_are_written_as_text() -> None:
    """None is left out, booleans are words, lists are joined, whole seconds have no point; pairs may repeat a name."""
    query = {"a": None, "b": True, "c": ["x", "y"], "d": 10.0, "e": 0.5, "f": ResponseStatus.FAILED, "g": 3, "h": "s"}
    written = {"b": "true", "c": "x,y", "d": "10", "e": "0.5", "f": "failed", "g": "3", "h": "s"}
    assert query_pairs(query) == tuple(written.items())
    assert query_pairs((("ids", "a 1"), ("ids", "b!2"), ("x", None))) == (("ids", "a 1"), ("ids", "b!2"))


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, b"bytes", "\ud800", date(2026, 1, 1)])
def test_unwritable_values_are_refused_before_sending(value: object) -> None:
    """A body that cannot be written is our ValidationError."""
    with pytest.raises(ValidationError, match="cannot be written as JSON"):
        json_bytes({"options": value})


def test_text_is_sent_as_it_is() -> None:
    """JSON bodies are UTF-8 without escapes."""
    assert json_bytes({"content": "潮 🌊"}) == '{"content":"潮 🌊"}'.encode()


def test_the_text_of_a_call_shows_neither_body_nor_secrets_nor_queries() -> None:
    """Calls get into error messages and tracebacks."""
    call = Call("PUT", "", str, base_url="https://blobs.example/f?sig=secret", body={"key": "secret"})
    assert str(call) == "PUT https://blobs.example/f"
    assert "secret" not in repr(call)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "3", None, True])
def test_seconds_are_positive_numbers(value: object) -> None:
    """Anything else is named in the error."""
    with pytest.raises(ValidationError, match="timeout must be a positive number of seconds"):
        check_seconds("timeout", value)
