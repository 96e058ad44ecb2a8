"""Batches of runs: inputs, outcomes, and the ledger file from which an interrupted batch continues."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
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
_HEAD = f'{{"format": "{_FORMAT}", "job": "'


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
    """The entries of one batch by index of their input; kept in memory only if there is no path.

    Attributes:
        failure: Why the file could not be written, if so. It ends the batch, which can be started again: the keys of
            its runs come from the job and their inputs.
        text: What was in the file when it was opened, until something is added.
    """

    path: Path | None = None
    job: str = field(default_factory=lambda: str(uuid4()))
    entries: dict[int, Entry] = field(default_factory=dict)
    failure: ValidationError | None = None
    text: str = field(default="", repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def idempotency_key(self, index: int, attempt: int) -> str:
        """Return the key for creating the run of an input, the same however often the batch is started."""
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
        """Record the run of an input, also on disk.

        Raises:
            ValidationError: The file cannot be written.
        """
        with self._lock:
            self.entries[index] = entry
            if self.path is not None:
                self.check()
                try:
                    _append(self.path, {"index": index, **asdict(entry)}, after=self.text)
                    self.text = ""
                except OSError as error:
                    self.failure = _unusable(self.path, error)
                    raise self.failure from error

    def check(self) -> None:
        """Raise the failure, if there was one: without a record, no further run is created."""
        if self.failure is not None:
            raise self.failure


def open_ledger(path: Path | None) -> Ledger:
    """Open the ledger in a file, or create it.

    Several processes may do so at once: each appends a head to a file without one, and the first head counts.

    Raises:
        ValidationError: The file is not a ledger, or cannot be read or written.
    """
    if path is None:
        return Ledger()
    try:
        text = _read(path)
        ledger = _ledger_in(path, text)
        if ledger is None:
            if not all(_HEAD.startswith(line[: len(_HEAD)]) for line in text.splitlines()):  # heads that were cut off
                raise ValidationError(f"{str(path)!r} is not a ledger of runs, or is damaged: use another file name.")
            _append(path, {"format": _FORMAT, "job": str(uuid4())}, after=text)
            ledger = _ledger_in(path, _read(path))
    except OSError as error:
        raise _unusable(path, error) from error
    if ledger is None:
        raise ValidationError(f"The ledger {str(path)!r} does not keep what is written to it: use another file name.")
    return ledger


def _unusable(path: Path, error: OSError) -> ValidationError:
    return ValidationError(
        f"The ledger {str(path)!r} cannot be read or written: {error.strerror or error}. Start the job again with the "
        "same ledger when it can: runs that were created are not created again."
    )


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _append(path: Path, row: Mapping[str, object], *, after: str) -> None:
    # In one piece, for other processes may append, too, and on a line of its own if the one before was cut off.
    start = "" if after.endswith("\n") or not after else "\n"
    content = f"{start}{json.dumps(row)}\n".encode()
    with path.open("ab", buffering=0) as file:
        if file.write(content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _ledger_in(path: Path, text: str) -> Ledger | None:
    """Read a ledger; None if the text has no head. Lines that are cut off or damaged only cost a request each."""
    rows = [row for row in map(_json_object, text.splitlines()) if row is not None]
    jobs = [row["job"] for row in rows if row.get("format") == _FORMAT and isinstance(row.get("job"), str)]
    if not jobs:
        return None
    entries = {}
    for row in rows:
        index, digest, response_id, attempt = (row.get(name) for name in ("index", "digest", "response_id", "attempt"))
        if isinstance(index, int) and isinstance(digest, str) and isinstance(response_id, str):
            entries[index] = Entry(digest, response_id, attempt if isinstance(attempt, int) else 0)
    return Ledger(path, jobs[0], entries, text=text)


def _json_object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None  # a line that was cut off
    return value if isinstance(value, dict) else None
