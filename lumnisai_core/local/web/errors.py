"""What the service answers when it does not do what was asked."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """A refusal with a code and a message, the body shape of every status but 422."""

    def __init__(self, status: int, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details:
            error["details"] = self.details
        return {"error": error}


class InvalidRequest(ApiError):
    """A request of the wrong shape: 422 with one entry for each thing that is wrong."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(422, "VALIDATION_ERROR", "The request is not valid.")
        self.errors = errors

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body."""
        return {"detail": self.errors}


class PeopleError(ApiError):
    """A refusal of the people endpoints, whose error is wrapped once more."""

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body."""
        return {"detail": super().body}


def not_found(kind: str, name: str) -> ApiError:
    """Return the answer for an id that is not known, or not known to this tenant or user."""
    return ApiError(404, "NOT_FOUND", f"There is no {kind} {name[:100]}.")
