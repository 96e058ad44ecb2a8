"""Retries: whether and when to try a request again. Without clock, random numbers or sleeping. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple

#: Statuses of answers that may be different next time.
RETRY_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


#: Seconds for which the first request after a pause is the only one.
_ALONE = 0.5


class RetryPolicy(NamedTuple):
    """How patient a client is.

    Attributes:
        max_retries: Tries after the first one.
        first_pause: Upper bound of the first pause in seconds; it doubles with every try.
        longest_pause: Upper bound of any pause we choose ourselves, in seconds.
        longest_retry_after: A ``Retry-After`` above this many seconds is not waited for; the error is raised.
        budget: Seconds from the first try after which no further one starts.
    """

    max_retries: int = 3
    first_pause: float = 0.5
    longest_pause: float = 8.0
    longest_retry_after: float = 60.0
    budget: float = 120.0

    def spread(self, pause: float) -> float:
        """Return the seconds over which clients that were sent away together come back."""
        return min(self.longest_pause, max(self.first_pause, pause / 2))


class CoolDown:
    """A pause that all requests of a client share after the service refused one because of too many (429).

    Several clients may share one, for example those of one API key. It may be used from several threads.

    Attributes:
        over_at: When the pause is over, in seconds of ``time.monotonic()``.
    """

    def __init__(self) -> None:
        self.over_at: float = 0.0
        self._spread = 0.0
        self._is_untried = False
        self._is_tried = False

    def begin(self, now: float, seconds: float, *, spread: float = 0.0) -> None:
        """Begin a pause, or prolong the present one.

        Args:
            now: Seconds of a clock.
            seconds: Length of the pause.
            spread: Seconds over which the requests that wait are sent after it.
        """
        self.over_at = max(self.over_at, now + seconds)
        self._spread = spread
        self._is_untried, self._is_tried = True, False

    def answered(self) -> None:
        """Let the others go, because the request that went alone after a pause was not refused."""
        if self._is_tried:
            self._is_tried = False
            self.over_at = 0.0

    def left(self, now: float, *, chance: float = 0.0) -> float:
        """Return the seconds to wait, 0 for a request that may be sent now; ``chance``, from 0 to 1, spreads the rest.

        The first request after a pause goes alone, because it may be refused like those before.
        """
        left = self.over_at - now
        if left > 0:
            return left + chance * self._spread
        if self._is_untried:
            self._is_untried, self._is_tried = False, True
            self.over_at = now + _ALONE
        return 0.0


def next_try(
    policy: RetryPolicy,
    *,
    tries: int,
    repeatable: bool,
    status: int | None,
    retry_after: float | None = None,
    elapsed: float,
    chance: float,
) -> float | None:
    """Decide whether to try again.

    Args:
        policy: The limits.
        tries: Number of tries so far, at least 1.
        repeatable: Whether sending the request again cannot do the work twice.
        status: Status of the answer, or None if the connection failed.
        retry_after: Seconds of a ``Retry-After`` header, or None.
        elapsed: Seconds since the first try began.
        chance: A random number from 0 to 1, which spreads the pauses of many clients.

    Returns:
        Seconds to pause before the next try, or None to give up.
    """
    if not repeatable or tries > policy.max_retries:
        return None
    if status is not None and status not in RETRY_STATUSES:
        return None
    if retry_after is not None and retry_after > policy.longest_retry_after:
        return None
    # The exponent is bounded so that an absurd max_retries cannot overflow.
    chosen = chance * min(policy.longest_pause, policy.first_pause * 2.0 ** min(tries - 1, 30))
    pause = chosen if retry_after is None else retry_after + max(chosen, chance * policy.spread(retry_after))
    return pause if elapsed + pause <= policy.budget else None


def parse_retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Read the ``Retry-After`` of an answer: seconds, also decimal, or an HTTP date.

    Args:
        headers: Headers of the answer. Its ``Date`` is the clock that a date is read against.
        now: Seconds since the epoch, for answers without a usable ``Date``.

    Returns:
        Seconds, never negative, or None if there is no usable value.
    """
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        moment = _moment(value)
        if moment is None:
            return None
        sent = _moment(headers.get("date", ""))
        seconds = moment - (now if sent is None else sent)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _moment(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
