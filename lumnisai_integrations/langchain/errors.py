"""Errors that belong to LangChain's family and to the core's, so that code which knows either catches them.

Each class has the name and the attributes of its namesake in :mod:`lumnisai_core.exceptions` and is a subclass of it.
``is_retryable`` says whether the same call may succeed later. It is False where a new call would start a second run
although the first one may still be running, or has failed for a reason of its own; a run that the service cut off, such
as by a restart, may be made again. Errors that no retry can mend are
also ``ValueError``, ``LookupError``, ``OSError`` or ``RuntimeError``, which graph runtimes do not retry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar, cast

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

from lumnisai_core import ResponseObject, exceptions, tools

E = TypeVar("E", bound=exceptions.LumnisAIError)


#: Codes of runs that the service itself cut off. They are over, so a new one doubles nothing.
_CUT_OFF = frozenset({"SERVICE_RESTARTED"})


def _is_cut_off(error: exceptions.RunFailedError) -> bool:
    reason = error.response.error if isinstance(error.response, ResponseObject) else None
    return isinstance(reason, Mapping) and reason.get("code") in _CUT_OFF


#: The classes of this module by the core's class; where two have the same one, the first counts.
_TWINS: dict[type[exceptions.LumnisAIError], type[exceptions.LumnisAIError]] = {}


def _twin(kind: type[E], *families: type[Exception], name: str = "", **attributes: Any) -> type[E]:
    """Return a subclass of a class of the core and of other families, by default under the same name."""
    about = {"__module__": __name__, "__doc__": kind.__doc__, **attributes}
    twin = cast("type[E]", type(name or kind.__name__, (kind, *families), about))
    _TWINS.setdefault(kind, twin)
    return twin


ValidationError = _twin(exceptions.ValidationError, ModelInvalidRequestError)
ConfigurationError = _twin(exceptions.ConfigurationError, ModelInvalidRequestError)
MissingUserId = _twin(exceptions.MissingUserId, ModelInvalidRequestError)
TenantScopeUserIdConflict = _twin(exceptions.TenantScopeUserIdConflict, ModelInvalidRequestError)
LocalFileNotSupported = _twin(exceptions.LocalFileNotSupported, ModelInvalidRequestError)
PolicyBlockedError = _twin(exceptions.PolicyBlockedError, ModelInvalidRequestError)
ConflictError = _twin(exceptions.ConflictError, ModelInvalidRequestError)
AuthenticationError = _twin(exceptions.AuthenticationError, ModelAuthenticationError, PermissionError)
SessionExpiredError = _twin(exceptions.SessionExpiredError, ModelAuthenticationError, PermissionError)
NotFoundError = _twin(exceptions.NotFoundError, ModelNotFoundError, LookupError)
ModelInstanceUnknownError = _twin(exceptions.ModelInstanceUnknownError, ModelNotFoundError, LookupError)
FileNotFoundError = _twin(exceptions.FileNotFoundError, ModelNotFoundError, LookupError)  # noqa: A001 - the core's name
FileAccessDeniedError = _twin(exceptions.FileAccessDeniedError, ModelPermissionDeniedError, PermissionError)
FileOperationError = _twin(exceptions.FileOperationError, ModelError, RuntimeError)
RateLimitError = _twin(exceptions.RateLimitError, ModelRateLimitError)
TruncatedStreamError = _twin(exceptions.TruncatedStreamError, ModelAPIError)
WaitTimeoutError = _twin(exceptions.WaitTimeoutError, ModelTimeoutError, is_retryable=False)  # the work continues
ServiceError = _twin(exceptions.TransportError, ModelAPIError, name="ServiceError")
RunFailedError = _twin(exceptions.RunFailedError, ModelError, RuntimeError, is_retryable=property(_is_cut_off))
RunCancelledError = _twin(exceptions.RunCancelledError, ModelError, RuntimeError)
RunTimeoutError = _twin(exceptions.RunTimeoutError, ModelTimeoutError, is_retryable=False)  # the run continues
# For errors of the same classes with the status 403, and without an answer.
PermissionDeniedError = _twin(
    exceptions.AuthenticationError, ModelPermissionDeniedError, PermissionError, name="PermissionDeniedError"
)
ConnectionFailedError = _twin(exceptions.TransportError, ModelConnectionError, name="ConnectionFailedError")


class StructuredOutputError(tools.StructuredOutputError, OutputParserException):
    """A run succeeded without an object that fits the schema. Carries the run, with its text, in ``response``.

    Attributes:
        llm_output: The text of the run.
    """

    def __init__(self, message: str, *, response: ResponseObject, **known: Any) -> None:
        super().__init__(message, response=response, **known)
        self.llm_output: str | None = response.output_text


_TWINS[tools.StructuredOutputError] = StructuredOutputError


def model_error(error: exceptions.LumnisAIError) -> exceptions.LumnisAIError:
    """Return an error of the core as its namesake of this module, with all its attributes; else the error itself."""
    kind = _twin_of(error)
    if isinstance(error, kind):
        return error
    if isinstance(error, tools.StructuredOutputError) and isinstance(error.response, ResponseObject):
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
    is_cut_short = isinstance(error, exceptions.TruncatedStreamError)
    if isinstance(error, exceptions.TransportError) and error.status_code is None and not is_cut_short:
        return ConnectionFailedError
    return next((_TWINS[kind] for kind in type(error).__mro__ if kind in _TWINS), type(error))


@contextmanager
def model_errors() -> Iterator[None]:
    """Raise errors of the core in the block as errors of this module."""
    try:
        yield
    except exceptions.LumnisAIError as error:
        raise model_error(error) from error.__cause__
