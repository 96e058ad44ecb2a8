"""Refusals: the errors that endpoints raise, and the shapes of their bodies."""

from __future__ import annotations

from typing import Any, NotRequired, TypeVar

from typing_extensions import TypedDict  # pydantic does not take that of typing before Python 3.12

_T = TypeVar("_T")


class ErrorText(TypedDict):
    """What went wrong."""

    code: str
    message: str
    details: NotRequired[dict[str, Any]]


class Error(TypedDict):
    """The body of every refusal but those of the wrong shape."""

    error: ErrorText


class InvalidPart(TypedDict):
    """One thing that is wrong with a request, and where."""

    loc: list[str | int]
    msg: str
    type: str


class Invalid(TypedDict):
    """The body of the refusal of a request of the wrong shape."""

    detail: list[InvalidPart]


class ApiError(Exception):
    """A refusal with a code and a message, the body shape of every status but 422."""

    def __init__(self, status: int, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details

    @property
    def body(self) -> Any:
        """The JSON body."""
        error: ErrorText = {"code": self.code, "message": self.message}
        if self.details:
            error["details"] = self.details
        return Error(error=error)


class InvalidRequest(ApiError):
    """A request of the wrong shape: 422 with one entry for each thing that is wrong."""

    def __init__(self, errors: list[InvalidPart]) -> None:
        super().__init__(422, "VALIDATION_ERROR", "The request is not valid.")
        self.errors = errors

    @property
    def body(self) -> Any:
        """The JSON body."""
        return Invalid(detail=self.errors)


def invalid(message: str, kind: str = "value_error", *names: str) -> InvalidRequest:
    """Return the refusal of a body, or of the part of it under these names."""
    return InvalidRequest([{"loc": ["body", *names], "msg": message, "type": kind}])


def found(item: _T | None, kind: str, name: str) -> _T:
    """Return an item that was looked up; refuse the request if there is none."""
    if item is None:
        raise not_found(kind, name)
    return item


def not_found(kind: str, name: str) -> ApiError:
    """Return the refusal of an id that is unknown, or unknown to this tenant or user."""
    return ApiError(404, "NOT_FOUND", f"There is no {kind} {name[:100]}.")
