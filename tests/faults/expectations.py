"""What goes wrong, in which requests, and what the caller gets then. Pure data; the tests verify every cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from lumnisai_core.exceptions import (
    AuthenticationError,
    LumnisAIError,
    RateLimitError,
    RunFailedError,
    RunTimeoutError,
    TransportError,
)


class Kind(StrEnum):
    """Requests, by what they do."""

    CREATE = "create"
    POLL = "poll"
    LIST = "list"
    UPLOAD = "upload"


class Fault(StrEnum):
    """What goes wrong, in the words of the table."""

    RESET_BEFORE = "reset before the request is processed"
    RESET_AFTER = "reset after the request is processed"
    BUSY_SECONDS = "429, `Retry-After` in seconds"
    BUSY_DATE = "429, `Retry-After` as a date"
    ERROR_500 = "500, although the request is processed"
    ERROR_503 = "503"
    STALLED = "no answer within the timeout"
    TRICKLED = "answer that trickles without end"
    ENDLESS = "answer larger than `max_answer_size`"
    HEADERS = "headers of 100 kB"
    TRUNCATED = "answer cut off"
    BROKEN_GZIP = "compressed answer cut off"
    GARBAGE = "answer that is not JSON"
    REDIRECT = "redirect to another host"
    RESTART = "restart of the service"
    ODD_ENUMS = "unknown statuses and states"
    NULLS = "null in place of every value but ids"
    WRONG_TYPES = "values of other types, odd elements in lists"
    LARGE = "answer of 10 MB"


class Lasting(StrEnum):
    """How long it goes wrong."""

    ONCE = "once"
    ALWAYS = "every time"


#: Tries after the first one, in these tests.
MAX_RETRIES = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the caller gets.

    Attributes:
        error: Name of the error's class, or None for an answer.
        tries: How often one and the same request was sent.
    """

    error: str | None
    tries: int

    def __str__(self) -> str:
        what = self.error or "answer"
        if self.tries == 1:
            return what
        return f"{what}, {self.tries} tries" if self.error else f"{what}, try {self.tries}"


def _answer(tries: int = 1) -> Outcome:
    return Outcome(None, tries)


def _raises(error: type[LumnisAIError], tries: int = 1) -> Outcome:
    return Outcome(error.__name__, tries)


Row = tuple[Outcome, Outcome, Outcome, Outcome]

_ANSWERED: Row = (_answer(), _answer(), _answer(), _answer())
#: A further try would cost the same and fail the same way.
_TOO_LARGE: Row = (*(_raises(TransportError),) * 3, _raises(TransportError))
_AGAIN: Row = (_answer(2), _answer(2), _answer(2), _raises(TransportError))
_BUSY: Row = (_answer(2), _answer(2), _answer(2), _raises(RateLimitError))
_ELSEWHERE: Row = (
    _raises(TransportError),
    _raises(AuthenticationError),
    _raises(AuthenticationError),
    _raises(TransportError),
)

_TRIES = MAX_RETRIES + 1
_GIVEN_UP: Row = (*(_raises(TransportError, _TRIES),) * 3, _raises(TransportError))
_STILL_BUSY: Row = (*(_raises(RateLimitError, _TRIES),) * 3, _raises(RateLimitError))
# A run that never has a known final status is not over.
_ENDLESS: Row = (_answer(), _raises(RunTimeoutError), _answer(), _answer())

#: Outcomes for create, poll, list, upload.
EXPECTED: Mapping[Lasting, Mapping[Fault, Row]] = {
    Lasting.ONCE: {
        Fault.RESET_BEFORE: _AGAIN,
        Fault.RESET_AFTER: _AGAIN,
        Fault.BUSY_SECONDS: _BUSY,
        Fault.BUSY_DATE: _BUSY,
        Fault.ERROR_500: _AGAIN,
        Fault.ERROR_503: _AGAIN,
        Fault.STALLED: _AGAIN,
        Fault.TRICKLED: _AGAIN,
        Fault.ENDLESS: _TOO_LARGE,
        Fault.HEADERS: _AGAIN,
        Fault.TRUNCATED: _AGAIN,
        Fault.BROKEN_GZIP: _AGAIN,
        Fault.GARBAGE: _AGAIN,
        Fault.REDIRECT: _ELSEWHERE,
        # The run was in progress, so the service reports it as failed when it is back.
        Fault.RESTART: (_raises(RunFailedError, 2), _raises(RunFailedError, 2), _answer(2), _raises(TransportError)),
        Fault.ODD_ENUMS: _ANSWERED,
        Fault.NULLS: _ANSWERED,
        Fault.WRONG_TYPES: _ANSWERED,
        Fault.LARGE: _ANSWERED,
    },
    Lasting.ALWAYS: {
        Fault.RESET_BEFORE: _GIVEN_UP,
        Fault.RESET_AFTER: _GIVEN_UP,
        Fault.BUSY_SECONDS: _STILL_BUSY,
        Fault.BUSY_DATE: _STILL_BUSY,
        Fault.ERROR_500: _GIVEN_UP,
        Fault.ERROR_503: _GIVEN_UP,
        Fault.STALLED: _GIVEN_UP,
        Fault.TRICKLED: _GIVEN_UP,
        Fault.ENDLESS: _TOO_LARGE,
        Fault.HEADERS: _GIVEN_UP,
        Fault.TRUNCATED: _GIVEN_UP,
        Fault.BROKEN_GZIP: _GIVEN_UP,
        Fault.GARBAGE: _GIVEN_UP,
        Fault.REDIRECT: _ELSEWHERE,
        Fault.ODD_ENUMS: _ENDLESS,
        Fault.NULLS: _ENDLESS,
        Fault.WRONG_TYPES: _ENDLESS,
    },
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of the table."""

    fault: Fault
    kind: Kind
    lasting: Lasting

    def __str__(self) -> str:
        return f"{self.fault.name.lower()}-{self.kind}-{self.lasting.name.lower()}"


def cells() -> Iterator[tuple[Cell, Outcome]]:
    """Go through the table."""
    for lasting, rows in EXPECTED.items():
        for fault, row in rows.items():
            for kind, outcome in zip(Kind, row, strict=True):
                yield Cell(fault, kind, lasting), outcome


def markdown(lasting: Lasting, outcomes: Mapping[Cell, str]) -> str:
    """Write outcomes as a table of the documentation."""
    head = [f"What goes wrong {lasting}", *Kind]
    rows = [[fault, *(outcomes[Cell(fault, kind, lasting)] for kind in Kind)] for fault in EXPECTED[lasting]]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
