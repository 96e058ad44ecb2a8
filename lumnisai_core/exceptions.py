"""Errors: one family for everything that this package raises.

::

    LumnisAIError
    ├── ValidationError (also ValueError)  the request is wrong: 400, 422 and other 4xx, or refused before sending
    │   ├── ConfigurationError             no API key, unusable base URL, unusable option
    │   │   └── LucidicNotInitializedError a module-level call before ``init()``
    │   ├── InvalidOperationError          a call that does not fit the state of a session
    │   ├── MissingUserId                  user scope without a user id
    │   ├── TenantScopeUserIdConflict      tenant scope with a user id
    │   ├── LocalFileNotSupported          a local path where only a URI can be sent
    │   ├── PolicyBlockedError             a privacy policy refuses a prompt
    │   └── ConflictError                  409
    ├── AuthenticationError                401 and 403
    │   ├── APIKeyVerificationError        Lucidic refuses the API key or the agent
    │   └── SessionExpiredError            a session is over, and nothing is known to renew it
    ├── NotFoundError                      404
    │   ├── FeatureFlagError               no feature flag has this name, and there is no default
    │   ├── PromptError                    no prompt has this name and label
    │   └── ModelInstanceUnknownError      no usable model instance has this name
    ├── RateLimitError                     429, after the retries
    ├── TransportError                     no usable answer: connection, timeout, 5xx, unreadable body
    │   └── TruncatedStreamError           a streamed answer broke off
    ├── FileOperationError                 an operation on a file failed, such as its processing
    │   ├── FileNotFoundError              404 for a file (also NotFoundError)
    │   └── FileAccessDeniedError          403 for a file (also AuthenticationError)
    ├── AppConnectionError                 a connection to an app failed or expired
    ├── WaitTimeoutError                   a wait took longer than ``timeout``; the work continues at the service
    └── RunError                           a run ended without an answer; carries the run
        ├── RunFailedError                 the service reports failure
        ├── RunCancelledError              the run was cancelled
        └── RunTimeoutError                ``run_timeout`` is over; the run continues at the service
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

__all__ = [
    "APIKeyVerificationError",
    "AppConnectionError",
    "AuthenticationError",
    "ConfigurationError",
    "ConflictError",
    "FeatureFlagError",
    "FileAccessDeniedError",
    "FileNotFoundError",
    "FileOperationError",
    "InvalidOperationError",
    "LocalFileNotSupported",
    "LucidicNotInitializedError",
    "LumnisAIError",
    "LumnisError",
    "MissingUserId",
    "ModelInstanceUnknownError",
    "NotFoundError",
    "PolicyBlockedError",
    "PromptError",
    "RateLimitError",
    "RunCancelledError",
    "RunError",
    "RunFailedError",
    "RunTimeoutError",
    "SessionExpiredError",
    "TenantScopeUserIdConflict",
    "TransportError",
    "TruncatedStreamError",
    "ValidationError",
    "WaitTimeoutError",
]


class LumnisAIError(Exception):
    """Base class of all errors of this package.

    Attributes:
        message: What happened, with which value, and what to do.
        status_code: HTTP status of the answer, or the one that an error inside a good answer amounts to; None if there
            was no answer.
        request_id: The ``X-Request-ID`` of the answer, for the platform's support.
        code: The service's own error code, such as ``INVALID_API_KEY``.
        detail: The parsed error body as the service sent it, or its text.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        request_id: str | None = None,
        code: str | None = None,
        detail: object = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.request_id = request_id
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.message} (request id {self.request_id})" if self.request_id else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments would otherwise be lost between processes.
        return _rebuild, (type(self), self.message, self.__dict__)


#: The name that examples of the product use.
LumnisError = LumnisAIError


def _rebuild(cls: type[LumnisAIError], message: str, state: dict[str, object]) -> LumnisAIError:
    error = cls.__new__(cls, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error


class ValidationError(LumnisAIError, ValueError):
    """The request is wrong: the service refused it, or it was never sent."""


class ConfigurationError(ValidationError):
    """The client cannot be made from these arguments and this environment."""


class LucidicNotInitializedError(ConfigurationError):
    """A module-level call of Lucidic needs a session, and there is none: call ``init()`` first."""


class InvalidOperationError(ValidationError):
    """The call does not fit the state of a session, such as updating one that has ended."""


class MissingUserId(ValidationError):
    """User scope needs a user id, and there is none."""


class TenantScopeUserIdConflict(ValidationError):
    """Tenant scope does not go with a user id."""


class LocalFileNotSupported(ValidationError):
    """A local file path stands where the service needs a URI or an artifact id."""


class PolicyBlockedError(ValidationError):
    """A privacy policy refuses a prompt; nothing was sent to the model."""


class ConflictError(ValidationError):
    """The request contradicts the state of the service (409), such as a reused idempotency key."""


class AuthenticationError(LumnisAIError):
    """The API key is missing, wrong or not allowed to do this (401, 403)."""


class APIKeyVerificationError(AuthenticationError):
    """Lucidic refuses the API key, or the key may not use this agent (401, 403)."""


class SessionExpiredError(AuthenticationError):
    """The session is over, and the client knows neither a token nor a provider to renew it."""


class NotFoundError(LumnisAIError):
    """Nothing has this id, or this key and user cannot see it (404)."""


class PromptError(NotFoundError):
    """No prompt has this name and label."""


class FeatureFlagError(NotFoundError):
    """No feature flag has this name, and no default was passed."""


class ModelInstanceUnknownError(NotFoundError):
    """No model instance has this name, or the one that has it is not connected to a model."""


class RateLimitError(LumnisAIError):
    """Too many requests (429), still after the retries.

    Attributes:
        retry_after: Seconds to wait, from the answer's ``Retry-After``, or None.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, **known: Any) -> None:
        super().__init__(message, **known)
        self.retry_after = retry_after


class TransportError(LumnisAIError):
    """There was no usable answer: connection failure, timeout, 5xx or a body that cannot be read."""


class TruncatedStreamError(TransportError):
    """A streamed answer broke off; the pieces before the break have been returned."""


class FileOperationError(LumnisAIError):
    """An operation on a file failed at the service, such as its processing."""


class FileNotFoundError(FileOperationError, NotFoundError):  # noqa: A001 - the platform's own name
    """No file has this id, or this key and user cannot see it (404)."""


class FileAccessDeniedError(FileOperationError, AuthenticationError):
    """The file belongs to somebody else, or this key may not do this with it (403)."""


class AppConnectionError(LumnisAIError):
    """A user's connection to an app failed or expired."""


class WaitTimeoutError(LumnisAIError, TimeoutError):
    """A wait took longer than ``timeout``. The work continues at the service and can be waited for again."""


class RunState(Protocol):
    """The fields of a :class:`ResponseObject` that handlers of errors read, described without its module."""

    @property
    def response_id(self) -> str: ...
    @property
    def thread_id(self) -> str | None: ...
    @property
    def status(self) -> str: ...
    @property
    def progress(self) -> Sequence[Any]: ...
    @property
    def output_text(self) -> str | None: ...
    @property
    def structured_response(self) -> dict[str, Any] | None: ...
    @property
    def error(self) -> Any: ...
    def json(self) -> dict[str, Any]: ...


class RunError(LumnisAIError):
    """A run ended without an answer.

    Attributes:
        response_id: The run's id.
        thread_id: The thread it belongs to.
        response: The last known state of the run (a :class:`ResponseObject`), or None.
    """

    def __init__(
        self,
        message: str,
        *,
        response_id: str,
        thread_id: str | None = None,
        response: RunState | None = None,
        **known: Any,
    ) -> None:
        super().__init__(message, **known)
        self.response_id = response_id
        self.thread_id = thread_id
        self.response = response


class RunFailedError(RunError):
    """The service reports that the run failed."""


class RunCancelledError(RunError):
    """The run was cancelled before it had an answer."""


class RunTimeoutError(RunError, TimeoutError):
    """``run_timeout`` is over. The run continues at the service and can be picked up again."""
