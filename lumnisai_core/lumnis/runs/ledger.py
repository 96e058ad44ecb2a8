"""Ledgers: which run belongs to which input of a job, kept in a file from which an interrupted job continues."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumnis.models import ResponseObject
from lumnisai_core.lumnis.runs.batch import RunOutcome
from lumnisai_core.lumnis.runs.watch import error_of_run


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The run of one input of a job.

    Attributes:
        key: Key of the input.
        digest: Fingerprint of the request that created the run.
        response_id: Id of the run.
        attempt: Number of earlier runs of this input that were cancelled or failed.
        response: The run at its end, in ledgers that keep it.
    """

    key: str
    digest: str
    response_id: str
    attempt: int = 0
    response: ResponseObject | None = None

    def line(self) -> bytes:
        """Write the record as one line of JSON, without the run's own texts."""
        return json_line(self._ids())

    def _ids(self) -> dict[str, object]:
        return {"key": self.key, "digest": self.digest, "response_id": self.response_id, "attempt": self.attempt}

    def line_at_end(self) -> bytes:
        """Write the record with the end of its run as one line of JSON: status, answer, object, error, usage."""
        run = {} if self.response is None else self.response.model_dump(mode="json", include=_KEPT, exclude_none=True)
        return json_line({**self._ids(), "response": run})

    def columns(self) -> dict[str, Any]:
        """Return the run as values of a table; see :meth:`RunOutcome.columns`. Without its end, it has no status."""
        run = self.response
        error = None if run is None else error_of_run(run)
        outcome = RunOutcome(0, response=run if error is None else None, error=error)
        return {**outcome.columns(), "response_id": self.response_id}

    @classmethod
    def of_line(cls, line: bytes | str) -> RunRecord | None:
        """Read a line; None for one that is not a record, such as one that was cut off."""
        row = json_object(line)
        key, digest, response_id, attempt = (row.get(name) for name in ("key", "digest", "response_id", "attempt"))
        if not (isinstance(key, str) and isinstance(digest, str) and isinstance(response_id, str)):
            return None
        run = row.get("response")
        response = None
        if isinstance(run, dict):
            try:
                response = ResponseObject.model_validate({**run, "response_id": response_id})
            except ValueError:
                return None
        return cls(key, digest, response_id, attempt if isinstance(attempt, int) else 0, response)


#: What a line keeps of a run that has ended.
_KEPT = {
    "status",
    "output_text",
    "structured_response",
    "error",
    "thread_id",
    "created_at",
    "completed_at",
    "usage",
    "model",
}


class RunLedger(Protocol):
    """Where a job records the runs of its inputs. Methods may be called from several threads."""

    def find(self, key: str, digest: str) -> RunRecord | None:
        """Return the newest record of an input with this request; None if there is none."""

    def add(self, record: RunRecord) -> None:
        """Record a run that was just created. A :class:`LumnisAIError` ends the job."""

    def end(self, record: RunRecord) -> None:
        """Record the end of a run, which is in the record's ``response``."""


#: First line of a ledger: its format, and the name of the job.
_FORMAT = "lumnis-ledger-2"
_HEAD = f'{{"format": "{_FORMAT}", "job": "'


@dataclass
class Ledger:
    """The records of one job in a file, without the texts of its runs.

    Attributes:
        path: The file.
        job: Name of the job, from which the keys of its runs are made.
        records: The newest record of each input.
        failure: Why the file could not be written, if so. It ends the job, which can be started again: the keys of its
            runs come from the job and their inputs.
        text: What was in the file when it was opened, until something is added.
    """

    path: Path
    job: str
    records: dict[str, RunRecord] = field(default_factory=dict)
    failure: ValidationError | None = None
    text: str = field(default="", repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def find(self, key: str, digest: str) -> RunRecord | None:
        """Return the record of an input, if there is one.

        Raises:
            ValidationError: The record belongs to a different input, or the file can no longer be written: without a
                record, no further run is created.
        """
        if self.failure is not None:
            raise self.failure
        record = self.records.get(key)
        if record is not None and record.digest != digest:
            raise ValidationError(
                f"Input {key} differs from the one in ledger {str(self.path)!r}. Pass the same inputs in the same "
                "order and with the same parameters, or use another ledger file."
            )
        return record

    def add(self, record: RunRecord) -> None:
        """Record the run of an input, also on disk.

        Raises:
            ValidationError: The file cannot be written.
        """
        with self._lock:
            self.records[record.key] = record
            if self.failure is not None:
                raise self.failure
            try:
                append_line(self.path, record.line(), after=self.text)
                self.text = ""
            except OSError as error:
                self.failure = _unusable(self.path, error)
                raise self.failure from error

    def end(self, record: RunRecord) -> None:
        """Keep nothing: the service has the run."""


def open_ledger(path: Path) -> Ledger:
    """Open the ledger in a file, or create it.

    Several processes may do so at once: each appends a head to a file without one, and the first head counts.

    Raises:
        ValidationError: The file is not a ledger, or cannot be read or written.
    """
    try:
        text = _read(path)
        ledger = _ledger_in(path, text)
        if ledger is None:
            if not all(_HEAD.startswith(line[: len(_HEAD)]) for line in text.splitlines()):  # heads that were cut off
                raise ValidationError(f"{str(path)!r} is not a ledger of runs, or is damaged: use another file name.")
            append_line(path, ledger_head(str(uuid4())), after=text)
            ledger = _ledger_in(path, _read(path))
    except OSError as error:
        raise _unusable(path, error) from error
    if ledger is None:
        raise ValidationError(f"The ledger {str(path)!r} does not keep what is written to it: use another file name.")
    return ledger


def ledger_head(job: str) -> bytes:
    """Write the first line of the ledger of a job."""
    return json_line({"format": _FORMAT, "job": job})


def job_of_line(line: bytes | str) -> str | None:
    """Return the job that the first line of a ledger names; None for another line."""
    row = json_object(line)
    return str(row["job"]) if row.get("format") == _FORMAT and isinstance(row.get("job"), str) else None


def append_line(path: Path, line: bytes, *, after: str = "") -> None:
    """Append a line in one piece, for other processes may append, too.

    Args:
        path: The file.
        line: The line, with its end.
        after: What is in the file: the new line is one of its own even if the one before was cut off.

    Raises:
        OSError: The line was not written, or not all of it.
    """
    content = line if after.endswith("\n") or not after else b"\n" + line
    with path.open("ab", buffering=0) as file:
        if file.write(content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def json_line(row: Mapping[str, object]) -> bytes:
    """Write a line of a ledger."""
    return f"{json.dumps(row)}\n".encode()


def json_object(line: bytes | str) -> dict[str, Any]:
    """Read a line of a ledger; an empty object if it was cut off or damaged."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


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


def _ledger_in(path: Path, text: str) -> Ledger | None:
    """Read a ledger; None if the text has no head. Lines that are cut off or damaged only cost a request each."""
    lines = text.splitlines()
    job = next(_jobs(lines), None)
    if job is None:
        return None
    records = {record.key: record for line in lines if (record := RunRecord.of_line(line)) is not None}
    return Ledger(path, job, records, text=text)


def _jobs(lines: list[str]) -> Iterator[str]:
    return (job for line in lines if (job := job_of_line(line)) is not None)
