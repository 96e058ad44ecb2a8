"""Idempotency keys of runs: fixed ones, and those that a function makes, which leads to another run after a failed one.

A service replays its first reply to a key, which does not say how the run has ended since. So the age of the run in
that reply shows whether it was there before, and this process remembers the keys whose runs ended without an answer.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TypeAlias

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumnis.models import ResponseObject

#: Most attempts of one call.
MOST_ATTEMPTS = 20

#: Seconds by which a header ``Date``, which has whole seconds, may be off, and by which it may be behind: servers renew
#: it once a second, and later if they are busy.
_CLOCK_STEP = 1.5
_CLOCK_LAG = 3.0
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


def key_of(key: str | KeyFunction, body: Mapping[str, object], attempt: int) -> str:
    """Return the key that the caller chooses for a request.

    Raises:
        ValidationError: The key cannot be sent.
    """
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
    """Reads the answer to the creation of a run, and decides whether the run was there before.

    Attributes:
        date: Header ``Date`` of the answer: the service's clock, in whole seconds.
        now: The clock of this machine when the answer was there, in seconds since the epoch.
        took: Seconds that the call took.
    """

    def __init__(self) -> None:
        self.date = ""
        self.now = self.took = 0.0
        self._created_at: datetime | None = None

    def __call__(self, data: object) -> ResponseObject:
        """Read the answer."""
        run = ResponseObject.model_validate(data)
        self._created_at = run.created_at
        return run

    def is_earlier(self, *, surely: bool) -> bool:
        """Return whether the run was made before the call began.

        Args:
            surely: Whether only the service's clock counts. Otherwise this machine's does, too, where it differs by no
                more than the service's clock can show.
        """
        try:
            date = parsedate_to_datetime(self.date).timestamp()
        except (TypeError, ValueError, OverflowError):
            return False
        if self._created_at is None:
            return False
        created = self._created_at.timestamp()
        if date - created > self.took + _CLOCK_STEP:
            return True
        return not surely and -_CLOCK_STEP < self.now - date < _CLOCK_LAG and self.now - created > self.took
