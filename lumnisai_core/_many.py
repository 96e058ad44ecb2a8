"""What goes into many runs and what comes out of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lumnisai_core._create import MessagesInput
from lumnisai_core._parameters import RunParameters
from lumnisai_core.exceptions import LumnisAIError, ValidationError
from lumnisai_core.models import ResponseObject

#: Runs under way at the same time unless the caller says otherwise.
DEFAULT_IN_FLIGHT = 50


@dataclass(frozen=True, slots=True)
class RunInput:
    """One input of many, with what is special about its run.

    Attributes:
        messages: A text, one message, or the messages of a conversation.
        parameters: Parameters of this run, which win over those for all.
    """

    messages: MessagesInput
    parameters: RunParameters = field(default_factory=RunParameters)


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What became of one input: either a finished run or an error.

    Attributes:
        index: Position of the input, from 0.
        response: The run, if it succeeded.
        error: Why there is no answer; a :class:`RunError` carries the run.
    """

    index: int
    response: ResponseObject | None = None
    error: LumnisAIError | None = None

    def result(self) -> ResponseObject:
        """Return the run.

        Raises:
            LumnisAIError: There is none; the error that happened.
        """
        if self.error is not None:
            raise self.error
        if self.response is None:
            raise LumnisAIError(f"Input {self.index} has neither a run nor an error.")
        return self.response


def numbered(inputs: Iterable[RunInput | MessagesInput]) -> Iterator[tuple[int, RunInput]]:
    """Number inputs as they are taken, and give plain messages the form of the others."""
    for index, given in enumerate(inputs):
        yield index, given if isinstance(given, RunInput) else RunInput(given)


def check_in_flight(max_in_flight: object) -> int:
    """Refuse what is no number of runs.

    Raises:
        ValidationError: It is no whole number from 1.
    """
    if not isinstance(max_in_flight, int) or isinstance(max_in_flight, bool) or max_in_flight < 1:
        raise ValidationError(f"max_in_flight must be a whole number from 1, not {max_in_flight!r}.")
    return max_in_flight
