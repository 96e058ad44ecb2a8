"""Errors that belong to LangChain's family and to the core's, so that code which knows either catches them.

Each class has the name and the attributes of its namesake in :mod:`lumnisai_core.exceptions` and is a subclass of it.
``is_retryable`` says whether the same call may succeed later. It is False where a new call would start a second run
although the first one may still be running, or has failed for a reason of its own. Errors that no retry can mend are
also ``ValueError``, ``LookupError``, ``OSError`` or ``RuntimeError``, which graph runtimes do not retry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from langchain_core.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelError,
    ModelInvalidRequestError,
    ModelNotFoundError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
    ModelTimeoutError,
    OutputParserException,
)

from lumnisai_core import ResponseObject, exceptions
from lumnisai_integrations._shared import structured


class ValidationError(exceptions.ValidationError, ModelInvalidRequestError):
    """The request is not valid."""


class ConfigurationError(exceptions.ConfigurationError, ModelInvalidRequestError):
    """No client can be made from these arguments and this environment."""


class MissingUserId(exceptions.MissingUserId, ModelInvalidRequestError):
    """User scope needs a user id."""


class TenantScopeUserIdConflict(exceptions.TenantScopeUserIdConflict, ModelInvalidRequestError):
    """Tenant scope excludes a user id."""


class LocalFileNotSupported(exceptions.LocalFileNotSupported, ModelInvalidRequestError):
    """A file must be a URI or an artifact id, not a local path."""


class ConflictError(exceptions.ConflictError, ModelInvalidRequestError):
    """The request contradicts the state of the service."""


class AuthenticationError(exceptions.AuthenticationError, ModelAuthenticationError, PermissionError):
    """The API key is missing or wrong (401)."""


class PermissionDeniedError(exceptions.AuthenticationError, ModelPermissionDeniedError, PermissionError):
    """The API key is not allowed to do this (403)."""


class NotFoundError(exceptions.NotFoundError, ModelNotFoundError, LookupError):
    """There is nothing with this id."""


class FileNotFoundError(exceptions.FileNotFoundError, ModelNotFoundError, LookupError):  # noqa: A001 - the platform's name
    """There is no file with this id."""


class FileAccessDeniedError(exceptions.FileAccessDeniedError, ModelPermissionDeniedError, PermissionError):
    """The API key or the user may not use this file (403)."""


class FileOperationError(exceptions.FileOperationError, ModelError, RuntimeError):
    """An operation on a file is not possible."""


class RateLimitError(exceptions.RateLimitError, ModelRateLimitError):
    """Too many requests, still after the retries."""


class ServiceError(exceptions.TransportError, ModelAPIError):
    """The service failed, or its answer cannot be read."""


class ConnectionFailedError(exceptions.TransportError, ModelConnectionError):
    """The service could not be reached, or did not answer."""


class RunFailedError(exceptions.RunFailedError, ModelError, RuntimeError):
    """The service reports that the run failed."""


class RunCancelledError(exceptions.RunCancelledError, ModelError, RuntimeError):
    """The run was cancelled before it had an answer."""


class RunTimeoutError(exceptions.RunTimeoutError, ModelTimeoutError):
    """``run_timeout`` has passed; the run continues on the service."""

    is_retryable = False


class StructuredOutputError(structured.StructuredOutputError, OutputParserException):
    """A run succeeded without an object that fits the schema. Carries the run, with its text, in ``response``.

    Attributes:
        llm_output: The text of the run.
    """

    def __init__(self, message: str, *, response: ResponseObject, **known: Any) -> None:
        super().__init__(message, response=response, **known)
        self.llm_output: str | None = response.output_text


#: The classes of this module by the core's class; where two have the same one, the first counts.
_TWINS: Mapping[type, type[exceptions.LumnisAIError]] = {
    twin.__bases__[0]: twin
    for twin in reversed(list(globals().values()))
    if isinstance(twin, type) and issubclass(twin, exceptions.LumnisAIError)
}


def model_error(error: exceptions.LumnisAIError) -> exceptions.LumnisAIError:
    """Return an error of the core as its namesake of this module, with all its attributes; else the error itself."""
    kind = _twin_of(error)
    if isinstance(error, kind):
        return error
    if isinstance(error, structured.StructuredOutputError) and isinstance(error.response, ResponseObject):
        twin: exceptions.LumnisAIError = StructuredOutputError.of_run(error.response, error.message)
    else:
        twin = kind.__new__(kind, error.message)
        twin.args = error.args
        twin.__dict__.update(error.__dict__)
    return twin.with_traceback(error.__traceback__)


def _twin_of(error: exceptions.LumnisAIError) -> type[exceptions.LumnisAIError]:
    is_about_file = isinstance(error, exceptions.FileOperationError)
    if isinstance(error, exceptions.AuthenticationError) and error.status_code == 403 and not is_about_file:
        return PermissionDeniedError
    if isinstance(error, exceptions.TransportError) and error.status_code is None:
        return ConnectionFailedError
    return next((_TWINS[kind] for kind in type(error).__mro__ if kind in _TWINS), type(error))


@contextmanager
def model_errors() -> Iterator[None]:
    """Raise errors of the core in the block as errors of this module."""
    try:
        yield
    except exceptions.LumnisAIError as error:
        raise model_error(error) from error.__cause__
