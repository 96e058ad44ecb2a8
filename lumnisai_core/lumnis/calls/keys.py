"""Idempotency keys of runs: fixed ones, and those that a function makes, which leads to another run after a failed one.

A service replays its first reply to a key, which does not say how the run has ended since. So the time of that reply
shows whether the run was there before, and this process remembers the keys whose runs have ended without an answer.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeAlias
from uuid import uuid4

from lumnisai_core._transport.answer import Answer
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumnis.models import ResponseObject

#: Most attempts of one call.
MOST_ATTEMPTS = 20

#: Seconds by which a header ``Date``, which has whole seconds, may be off.
_CLOCK_STEP = 1.5
_LONGEST_KEY = 255
_MOST_USED_UP = 10_000

_used_up: OrderedDict[str, None] = OrderedDict()


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """The request for a run, from which a function for ``idempotency_key`` makes the key.

    Attributes:
        body: The body as it is sent (POST /v1/responses).
        attempt: 1; then 2, 3 and so on as long as the run under the key before has failed or was cancelled. A function
            that ignores it gets that run back.
    """

    body: Mapping[str, object]
    attempt: int = 1

    @property
    def digest(self) -> str:
        """A digest of the body, 32 hexadecimal digits, the same in every process."""
        return digest_of(self.body)


#: Makes the idempotency key of a run from the request for it.
KeyFunction: TypeAlias = Callable[[KeyedRequest], str]


def digest_of(body: object) -> str:
    """Return a fingerprint of a request body."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:32]


def key_of(key: str | KeyFunction | None, body: Mapping[str, object], attempt: int) -> str:
    """Return the key of a request: the caller's, or a new one.

    Raises:
        ValidationError: The key cannot be sent.
    """
    if key is None:
        return str(uuid4())
    made = key(KeyedRequest(body, attempt)) if callable(key) else key
    usable = isinstance(made, str) and made.strip() and made.isascii() and made.isprintable()
    if not usable or len(made) > _LONGEST_KEY:
        raise ValidationError(f"idempotency_key must be 1 to {_LONGEST_KEY} printable ASCII characters, not {made!r}.")
    return made


def note_used_up(key: str | None) -> None:
    """Note that the run of a key has failed or was cancelled."""
    if key is not None:
        _used_up[key] = None
        if len(_used_up) > _MOST_USED_UP:
            _used_up.popitem(last=False)


def is_used_up(key: str | None) -> bool:
    """Return whether this process knows that the run of a key has failed or was cancelled."""
    return key in _used_up


class CreatedRun:
    """Reads the answer to the creation of a run, and keeps how long before that answer the run was made."""

    def __init__(self) -> None:
        self._age: float | None = None

    def __call__(self, answer: Answer) -> ResponseObject:
        """Read the answer."""
        run = ResponseObject.model_validate_json(answer.body)
        self._age = None
        if run.created_at is not None and run.created_at.tzinfo is not None:
            try:
                answered = parsedate_to_datetime(answer.headers.get("date", ""))
                self._age = answered.timestamp() - run.created_at.timestamp()
            except (TypeError, ValueError, OverflowError):
                pass
        return run

    def is_earlier(self, took: float) -> bool:
        """Return whether the run was there before its creation was requested, which took so many seconds."""
        return self._age is not None and self._age > took + _CLOCK_STEP
