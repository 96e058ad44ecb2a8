"""Names of providers and modes of keys, and secrets that never show."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from lumnisai_core import ApiKeyMode, ApiProvider
from lumnisai_core._transport.secrets import Concealed, concealed
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumnis.calls.external_api_keys import find_provider, mode_from, wire_time


@pytest.mark.parametrize(
    ("value", "provider"),
    [
        ("OPENAI_API_KEY", "OPENAI_API_KEY"),
        ("openai", "OPENAI_API_KEY"),
        (" Anthropic ", "ANTHROPIC_API_KEY"),
        (ApiProvider.GOOGLE, "GOOGLE_API_KEY"),
        ("aws_access_key_id", "AWS_ACCESS_KEY_ID"),
        ("azure", "AZURE_API_KEY"),
        ("AZURE_API_KEY", "AZURE_API_KEY"),
        ("acme", None),
        ("a94d2e70-15c3-4b8f-b6d1-7e0f5c3a9d28", None),
    ],
)
def test_row_34_providers_have_short_and_full_names(value: str, provider: str | None) -> None:
    """Older and newer documentation name them differently."""
    assert find_provider(value) == provider


def test_row_34_the_documented_names_exist() -> None:
    """The names of older documentation are the same values."""
    providers = [ApiProvider.OPENAI, ApiProvider.ANTHROPIC, ApiProvider.GOOGLE, ApiProvider.AZURE]
    assert [str(provider) for provider in providers] == [
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "GOOGLE_API_KEY",
        "AZURE_API_KEY",
    ]
    modes = [ApiKeyMode.BRING_YOUR_OWN, ApiKeyMode.USE_PLATFORM]
    assert [str(mode) for mode in modes] == ["byo_keys", "platform"]
    assert (len(ApiProvider), len(ApiKeyMode)) == (28, 2)


@pytest.mark.parametrize(
    ("value", "mode"),
    [
        ("platform", "platform"),
        ("byo_keys", "byo_keys"),
        ("byo", "byo_keys"),
        ("BYO", "byo_keys"),
        ("bring_your_own", "byo_keys"),
        (ApiKeyMode.USE_PLATFORM, "platform"),
    ],
)
def test_modes_have_several_names(value: str, mode: str) -> None:
    """Values, older names and the short form are understood."""
    assert mode_from(value) == mode


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, None),
        (datetime(2027, 1, 1), "2027-01-01T00:00:00+00:00"),
        (datetime(2027, 1, 1, tzinfo=UTC), "2027-01-01T00:00:00+00:00"),
        ("2027-01-01", "2027-01-01T00:00:00+00:00"),
        ("2027-01-01T08:00:00+02:00", "2027-01-01T08:00:00+02:00"),
    ],
)
def test_moments_are_written_with_a_zone(value: Any, written: str | None) -> None:
    """One without a zone is UTC."""
    assert wire_time("expires_at", value) == written


def test_the_text_of_a_concealed_body_shows_nothing() -> None:
    """Neither repr nor str, also inside other things."""
    body = Concealed(api_key="sk-very-secret")
    assert "sk-very-secret" not in f"{body} {body!r} {[body]}"
    assert body == {"api_key": "sk-very-secret"}


def test_secrets_are_blotted_out_of_errors() -> None:
    """In the message and everywhere in the detail; short values are left, or no text could be read."""
    detail = {"sk-very-secret": ["sk-very-secret", 1, {"input": "x sk-very-secret-2 y"}], "on": "1"}
    with pytest.raises(ValidationError) as caught, concealed("sk-very-secret", "sk-very-secret-2", "1"):
        raise ValidationError("sk-very-secret is wrong, 1", detail=detail)
    assert str(caught.value) == "[redacted] is wrong, 1"
    assert caught.value.args == (caught.value.message,)
    assert caught.value.detail == {"[redacted]": ["[redacted]", 1, {"input": "x [redacted] y"}], "on": "1"}
