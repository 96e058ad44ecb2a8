"""Batches of runs: inputs, outcomes, and the ledger file from which an interrupted batch continues."""

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

#: Default number of runs at the same time.
DEFAULT_IN_FLIGHT = 50


@dataclass(frozen=True, slots=True)
class RunInput:
    """One input of a batch, with parameters of its own.

    Attributes:
        messages: A string, one message, or the messages of a conversation.
        parameters: Parameters of this run, which override those of the batch.
    """

    messages: MessagesInput
    parameters: RunParameters = field(default_factory=RunParameters)


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """The outcome of one input: a finished run or an error.

    Attributes:
        index: Position of the input, from 0.
        response: The run, if it succeeded.
        error: Reason why there is no answer; a :class:`RunError` carries the run.
    """

    index: int
    response: ResponseObject | None = None
    error: LumnisAIError | None = None

    def result(self) -> ResponseObject:
        """Return the run.

        Raises:
            LumnisAIError: The error of this outcome, if there is one.
        """
        if self.error is not None:
            raise self.error
        if self.response is None:
            raise LumnisAIError(f"Input {self.index} has neither a run nor an error.")
        return self.response


def numbered(inputs: Iterable[RunInput | MessagesInput]) -> Iterator[tuple[int, RunInput]]:
    """Number the inputs as they are taken; plain messages become a :class:`RunInput`."""
    for index, item in enumerate(inputs):
        yield index, item if isinstance(item, RunInput) else RunInput(item)


def check_in_flight(max_in_flight: object) -> int:
    """Validate the number of runs at the same time."""
    if not isinstance(max_in_flight, int) or isinstance(max_in_flight, bool) or max_in_flight < 1:
        raise ValidationError(f"max_in_flight must be a whole number, 1 or more, not {max_in_flight!r}.")
    return max_in_flight


_FORMAT = "lumnis-ledger-1"


@dataclass(frozen=True, slots=True)
class Entry:
    """The run of one input.

    Attributes:
        digest: Fingerprint of the request that created it.
        response_id: Id of the run.
        attempt: Number of earlier runs of this input that were cancelled.
    """

    digest: str
    response_id: str
    attempt: int = 0


@dataclass
class Ledger:
    """The entries of one batch by index of their input; kept in memory only if there is no path."""

    path: Path | None = None
    job: str = field(default_factory=lambda: str(uuid4()))
    entries: dict[int, Entry] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def idempotency_key(self, index: int, attempt: int) -> str:
        """Return the key for creating the run of an input, the same however often the batch is restarted."""
        return f"{self.job}-{index}-{attempt}"

    def find(self, index: int, digest: str) -> Entry | None:
        """Return the entry of an input, if there is one.

        Raises:
            ValidationError: The entry belongs to a different input.
        """
        entry = self.entries.get(index)
        if entry is not None and entry.digest != digest:
            raise ValidationError(
                f"Input {index} differs from the one in ledger {str(self.path)!r}. Pass the same inputs in the same "
                "order and with the same parameters, or use another ledger file."
            )
        return entry

    def add(self, index: int, entry: Entry) -> None:
        """Record the run of an input, also on disk."""
        line = json.dumps({"index": index, **asdict(entry)})
        with self._lock:
            self.entries[index] = entry
            if self.path is not None:
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(line + "\n")


def open_ledger(path: Path | None) -> Ledger:
    """Open the ledger in a file, or create it."""
    if path is None:
        return Ledger()
    try:
        if path.exists() and path.stat().st_size:
            text = path.read_text(encoding="utf-8")
            ledger = _read_ledger(path, text.splitlines())
            if not text.endswith("\n"):  # the batch was interrupted while it wrote the last line
                path.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")
            return ledger
        ledger = Ledger(path)
        path.write_text(json.dumps({"format": _FORMAT, "job": ledger.job}) + "\n", encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValidationError(f"The ledger {str(path)!r} cannot be read or written: {error}") from error
    return ledger


def _read_ledger(path: Path, lines: Iterable[str]) -> Ledger:
    parsed = [_json_object(line) for line in lines]
    head = parsed[0] if parsed else None
    if head is None or head.get("format") != _FORMAT or not isinstance(head.get("job"), str):
        raise ValidationError(f"{str(path)!r} is not a ledger of runs: use another file name.")
    entries = {
        row["index"]: Entry(row["digest"], row["response_id"], row.get("attempt", 0))
        for row in parsed[1:]
        if row is not None and {"index", "digest", "response_id"} <= row.keys()
    }
    return Ledger(path, head["job"], entries)


def _json_object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None  # a line that was cut off
    return value if isinstance(value, dict) else None


def digest_of(body: object) -> str:
    """Return a fingerprint of a request body."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:32]
