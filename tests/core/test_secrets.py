"""Finding secrets in what a service quotes, however they are escaped there."""

from __future__ import annotations

import html
import json
from urllib.parse import quote

import pytest

from lumnisai_core._transport.secrets import without_secret, without_secret_bytes

KEY = "lmn_AbC+d/e=9"


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        json.dumps(KEY),
        json.dumps(KEY).replace("/", r"\/"),
        json.dumps(json.dumps(KEY)),
        KEY.replace("+", r"\u002b").replace("/", r"\u002F"),
        "".join(f"\\u{ord(character):04x}" for character in KEY),
        html.escape(KEY),
        KEY.replace("+", "&#43;").replace("/", "&#x2F;").replace("=", "&equals;"),
        "".join(f"&#{ord(character)};" for character in KEY),
        html.escape(html.escape(KEY)),
        quote(KEY, safe=""),
        quote(KEY, safe="").replace("%2B", "%2b"),
        quote(quote(KEY, safe=""), safe=""),
        "".join(f"%{ord(character):02x}" for character in KEY),
        KEY.encode("utf-16-le").decode("ascii"),
    ],
)
def test_secrets_are_found_in_every_spelling(form: str) -> None:
    """Escaped as in JSON, HTML and addresses, in part, in full and twice; everything around them stays."""
    assert without_secret_bytes(f"<{form}>".encode(), KEY).strip(b'<\\">\0') == b"[redacted]"
    if "\0" not in form:
        assert without_secret(f"<{form}>", KEY).strip('<\\">') == "[redacted]"


def test_looking_for_secrets_takes_linear_time() -> None:
    """Half escapes without end are read once."""
    for piece in (b"\\", b"&amp;", b"&#0", b"%25", b"l\0\0\0"):
        content = piece * (4_000_000 // len(piece))
        assert without_secret_bytes(content, KEY) == content
