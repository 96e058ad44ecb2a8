"""Shapes of replies: Refusals, and replies that say little."""

from __future__ import annotations

from typing import (
    Any,
    Literal,
    NotRequired,  # pydantic asks for this one before Python 3.12
)

from typing_extensions import TypedDict


class ErrorText(TypedDict):
    """What went wrong."""

    code: str
    message: str
    details: NotRequired[dict[str, Any]]


class Error(TypedDict):
    """The body of every refusal but those of the wrong shape."""

    error: ErrorText


class WrappedError(TypedDict):
    """The body of a refusal of the people endpoints."""

    detail: Error


class InvalidPart(TypedDict):
    """One thing that is wrong with a request, and where."""

    loc: list[str | int]
    msg: str
    type: str


class Invalid(TypedDict):
    """The body of the refusal of a request of the wrong shape."""

    detail: list[InvalidPart]


class Text(TypedDict):
    """A message."""

    message: str


class Health(TypedDict):
    """The service is up."""

    status: Literal["ok"]
