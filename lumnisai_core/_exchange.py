"""One exchange over HTTP as values: what is sent, and what it means that nothing came back. Pure."""

from __future__ import annotations

from typing import NamedTuple

from lumnisai_core._multipart import Upload


class ExchangeFailed(Exception):
    """There is no complete answer. The text says what happened."""


class Request(NamedTuple):
    """One HTTP request, complete but for the credential.

    Attributes:
        content: The body: bytes, or pieces that are read while they are sent.
        timeout: Seconds for connecting, sending and each wait for data.
        held: Seconds the service may take on top before it answers.
        with_credential: Whether the credential goes along.
    """

    method: str
    url: str
    query: dict[str, str]
    headers: dict[str, str]
    content: bytes | Upload | None
    timeout: float
    held: float = 0.0
    with_credential: bool = True
