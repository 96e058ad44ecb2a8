"""The error family."""

from __future__ import annotations

import inspect
import pickle

import pytest

from lumnisai_core import ResponseObject, exceptions
from lumnisai_core.exceptions import ConflictError, LumnisAIError, RateLimitError, RunFailedError, ValidationError


@pytest.mark.parametrize(
    "error",
    [
        LumnisAIError("m", status_code=500, request_id="r", code="C", detail={"a": 1}),
        RateLimitError("m", retry_after=1.5, status_code=429),
        RunFailedError("m", response_id="r", thread_id="t", response=ResponseObject(response_id="r")),
    ],
)
def test_errors_survive_pickling(error: LumnisAIError) -> None:
    """A process pool hands back the same error with everything it carries."""
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert copy.__dict__ == error.__dict__


def test_all_errors_are_one_family() -> None:
    """Catching LumnisAIError catches everything that this package raises."""
    classes = [value for name, value in inspect.getmembers(exceptions, inspect.isclass) if name in exceptions.__all__]
    assert len(classes) == len(exceptions.__all__)
    assert all(issubclass(kind, LumnisAIError) for kind in classes)


def test_refused_requests_are_value_errors() -> None:
    """Frameworks that never repeat a ValueError do not repeat what cannot work."""
    assert issubclass(ConflictError, ValidationError)
    assert issubclass(ValidationError, ValueError)
