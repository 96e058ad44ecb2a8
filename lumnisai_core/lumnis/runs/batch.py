"""What goes into many runs and what comes out of them."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from lumnisai_core.exceptions import LumnisAIError, ValidationError
from lumnisai_core.lumnis.calls.runs import MessagesInput, RunParameters
from lumnisai_core.lumnis.models import ResponseObject

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


_FORMAT = "lumnis-ledger-1"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one input.

    Attributes:
        digest: Fingerprint of the request that was made from it.
        response_id: Its run.
        attempt: How many runs of it were cancelled before this one.
    """

    digest: str
    response_id: str
    attempt: int = 0


@dataclass
class Ledger:
    """The entries of one job by index of their input; memory only if there is no path."""

    path: Path | None = None
    job: str = field(default_factory=lambda: str(uuid4()))
    entries: dict[int, Entry] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def idempotency_key(self, index: int, attempt: int) -> str:
        """Return the key under which the run of an input is made, however often the job begins anew."""
        return f"{self.job}-{index}-{attempt}"

    def known(self, index: int, digest: str) -> Entry | None:
        """Return what is known of an input, if anything is.

        Raises:
            ValidationError: The input is another one than that which the ledger knows at this index.
        """
        entry = self.entries.get(index)
        if entry is None:
            return None
        if entry.digest != digest:
            raise ValidationError(
                f"Input {index} is not the one that ledger {str(self.path)!r} knows there. Give the same inputs in the "
                "same order and with the same parameters, or use another ledger file."
            )
        return entry

    def add(self, index: int, entry: Entry) -> None:
        """Remember the run of an input, also on disk."""
        line = json.dumps({"index": index, **asdict(entry)})
        with self._lock:
            self.entries[index] = entry
            if self.path is not None:
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(line + "\n")


def open_ledger(path: Path | None) -> Ledger:
    """Return the ledger of a file, begun if there is none.

    Raises:
        ValidationError: The file is something else, or cannot be read or written.
    """
    if path is None:
        return Ledger()
    try:
        if path.exists() and path.stat().st_size:
            text = path.read_text(encoding="utf-8")
            ledger = read_ledger(path, text.splitlines())
            if not text.endswith("\n"):  # the last line was being written when the job was interrupted
                path.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")
            return ledger
        ledger = Ledger(path)
        path.write_text(json.dumps({"format": _FORMAT, "job": ledger.job}) + "\n", encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValidationError(f"The ledger {str(path)!r} cannot be used: {error}") from error
    return ledger


def read_ledger(path: Path, lines: Iterable[str]) -> Ledger:
    """Read the lines of a ledger; a last line that was cut off is left out.

    Raises:
        ValidationError: This is no ledger.
    """
    parsed = [_object(line) for line in lines]
    head = parsed[0] if parsed else None
    if head is None or head.get("format") != _FORMAT or not isinstance(head.get("job"), str):
        raise ValidationError(f"{str(path)!r} is no ledger of runs: use another file name.")
    entries = {
        row["index"]: Entry(row["digest"], row["response_id"], row.get("attempt", 0))
        for row in parsed[1:]
        if row is not None and {"index", "digest", "response_id"} <= row.keys()
    }
    return Ledger(path, head["job"], entries)


def _object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def digest_of(body: object) -> str:
    """Return a fingerprint of a request body."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:32]
