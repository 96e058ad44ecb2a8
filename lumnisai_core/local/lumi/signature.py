"""Signatures of requests: the text that is signed, and what is wrong with a signature. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from urllib.parse import quote

#: Seconds that a client's clock may differ from this one.
SKEW = 300

Pairs = Sequence[tuple[str, str]]


def signed_texts(query: Pairs, timestamp: str, nonce: str, payload: bytes) -> list[str]:
    """Return the texts that a client may have signed: values of a repeated parameter joined by commas, or one by one.

    Args:
        query: parameters of the query, decoded, in order.
        timestamp: value of `x-timestamp`.
        nonce: value of `x-nonce`.
        payload: the body as it was sent; empty for multipart.
    """
    joined: dict[str, list[str]] = {}
    for name, value in query:
        joined.setdefault(name, []).append(value)
    forms: list[Pairs] = [[(name, ",".join(values)) for name, values in joined.items()]]
    if len(joined) < len(query):
        forms.append(query)
    digest = hashlib.sha256(payload).hexdigest()
    return [f"{_query_text(form)}\nx-nonce:{nonce}\nx-timestamp:{timestamp}\n{digest}" for form in forms]


def _query_text(pairs: Pairs) -> str:
    """Return the query in signed form, sorted by UTF-16 code units as JavaScript does."""
    ordered = sorted(pairs, key=lambda pair: pair[0].encode("utf-16-be", "surrogatepass"))
    return "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in ordered)


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")


def sign(key: str, text: str) -> str:
    """Return the signature of a text."""
    return base64.b64encode(hmac.digest(key.encode(), text.encode(), "sha256")).decode()


class Signatures:
    """Checks signatures and remembers nonces for as long as their timestamps are accepted.

    Args:
        key: key of the signature.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._ends: dict[tuple[str, str], float] = {}

    def fault(self, headers: Mapping[str, str], query: Pairs, payload: bytes, now: float) -> str | None:
        """Return what is wrong with the signature of a request at a time in seconds since the epoch, or None."""
        timestamp, nonce = headers.get("x-timestamp", ""), headers.get("x-nonce", "")
        sent = headers.get("x-sign", "")
        if not (timestamp and nonce and sent):
            return "The signature is missing."
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            return "x-timestamp must be whole seconds since 1970."
        if abs(now - int(timestamp)) > SKEW:
            return f"x-timestamp differs from this clock by more than {SKEW} seconds."
        texts = signed_texts(query, timestamp, nonce, payload)
        if not any(hmac.compare_digest(sign(self._key, text).encode(), sent.encode()) for text in texts):
            return "X-Sign is not the signature of this request."
        return self._nonce_fault((timestamp, nonce), now)

    def _nonce_fault(self, used: tuple[str, str], now: float) -> str | None:
        while self._ends and (first := next(iter(self._ends.items())))[1] < now:
            del self._ends[first[0]]
        if used in self._ends:
            return "x-nonce was used before."
        self._ends[used] = now + 2 * SKEW
        return None
