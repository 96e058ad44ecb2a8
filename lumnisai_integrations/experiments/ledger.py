"""The ledger of an experiment: its answers and scores in a file, from which an interrupted experiment continues.

Each line is a JSON object: first the head, then rows, runs under way, answers and scores as they come. The last line
about a thing counts. Lines are only appended: a process that is killed leaves at most one that is cut off, which is
ignored.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import threading
import warnings
from collections.abc import Iterator, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

from lumnisai_core import RunRecord
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations.experiments.plain import plain
from lumnisai_integrations.experiments.trial import Trial

#: The place of an answer: variant, row, repeat, and a fingerprint of what was asked.
Place: TypeAlias = tuple[str, str, int, str]

_FORMAT = "lumnis-experiment-1"

#: Seconds between two writes to the file, while answers come.
_BETWEEN_WRITES = 0.2


class Ledger:
    """What is known of an experiment. Its methods may be called from several threads.

    It is also the :class:`lumnisai_core.RunLedger` of the experiment's runs.

    Args:
        path: The file, which is created with the first line; None keeps everything in memory.

    Raises:
        ValidationError: The file belongs to something else, or cannot be read or written.
    """

    def __init__(self, path: str | PathLike[str] | None = None) -> None:
        self.path = None if path is None else Path(fspath(path))
        self.job = str(uuid4())
        self._answers: dict[Place, dict[str, Any]] = {}
        self._scores: dict[Place, dict[str, dict[str, Any]]] = {}
        self._failures: dict[Place, int] = {}
        self._rows: dict[str, dict[str, Any]] = {}
        self._runs: dict[tuple[str, str], RunRecord] = {}
        self._notes: dict[str, Any] = {}
        self._unwritten = bytearray()
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._has_warned = False
        self.load()

    def load(self) -> None:
        """Read what this or another process has added to the file.

        Raises:
            ValidationError: The file belongs to something else, or cannot be read or written.
        """
        if self.path is None:
            return
        try:
            content = _content(self.path)
            if _job_in(content) is None:
                content = _begun(self.path, content, self.job)
        except OSError as error:
            raise ValidationError(
                f"The ledger {str(self.path)!r} cannot be read or written: {error.strerror or error}."
            ) from error
        with self._lock:
            self.job = _job_in(content) or self.job
            for known in (self._answers, self._scores, self._failures, self._rows, self._runs, self._notes):
                known.clear()
            for row in _rows(content + bytes(self._unwritten)):
                self._take(row)
            if not content.endswith(b"\n") and not self._unwritten.startswith(b"\n"):
                self._unwritten[:0] = b"\n"  # after a line that was cut off

    # Answers and scores

    def answer(self, place: Place) -> dict[str, Any] | None:
        """Return the answer at a place; None if there is none."""
        return self._answers.get(place)

    def failures(self, place: Place) -> int:
        """Return how many runs at a place the platform has reported as failed."""
        return self._failures.get(place, 0)

    def scores(self, place: Place) -> Mapping[str, dict[str, Any]]:
        """Return the scores at a place by the name of the scorer."""
        return self._scores.get(place, {})

    def note(self, name: str) -> Any:
        """Return a note; None if there is none."""
        return self._notes.get(name)

    def add_row(self, key: str, fields: Mapping[str, Any], expected: Any) -> None:
        """Record a row, unless it is known."""
        row = {"row": key, "input": plain(fields), "expected": plain(expected)}
        if self._rows.get(key) != row:
            self._add(row)

    def add_answer(self, place: Place, answer: Mapping[str, Any]) -> None:
        """Record an answer. The scores of an earlier one at this place are forgotten."""
        self._add({"answer": list(place), **answer})

    def add_score(self, place: Place, scorer: str, score: Mapping[str, Any]) -> None:
        """Record a score."""
        self._add({"score": list(place), "scorer": scorer, **score})

    def add_note(self, name: str, value: Any) -> None:
        """Record a note."""
        self._add({"note": name, "value": value})

    def places(self) -> list[Place]:
        """Return the places that have an answer."""
        return list(self._answers)

    def trial(self, place: Place) -> Trial:
        """Return the trial at a place, with all its scores."""
        variant, key, repeat, _ = place
        row = self._rows.get(key, {})
        scores = self.scores(place)
        return Trial.from_dict(
            {
                **self._answers[place],
                "variant": variant,
                "row": key,
                "repeat": repeat,
                "input": row.get("input", {}),
                "expected": row.get("expected"),
                "scores": {name: one.get("value") for name, one in scores.items()},
                "reasons": {name: one["reason"] for name, one in scores.items() if one.get("reason")},
            }
        )

    # Runs under way

    def find(self, key: str, digest: str) -> RunRecord | None:
        """Return the record of a run with this request."""
        return self._runs.get((key, digest))

    def add(self, record: RunRecord) -> None:
        """Record a run that was just created."""
        with self._lock:
            self._runs[record.key, record.digest] = record
            if self.path is not None:
                self._unwritten += record.line()

    def end(self, record: RunRecord) -> None:
        """Keep nothing: the answer is recorded by itself."""

    # The file

    def flush(self) -> None:
        """Write what is not in the file yet, down to the disk; if that fails, warn and keep it."""
        if self.path is None:
            return
        with self._writing:
            with self._lock:
                content, self._unwritten = self._unwritten, bytearray()
            if not content:
                return
            written = 0
            try:
                with self.path.open("ab", buffering=0) as file:
                    written = file.write(content)
                    os.fsync(file.fileno())
                if written < len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError as error:
                with self._lock:
                    self._unwritten[:0] = content[written:]
                if not self._has_warned:
                    self._has_warned = True
                    warnings.warn(
                        f"The ledger {str(self.path)!r} cannot be written: {error.strerror or error}. Answers and "
                        "scores stay in this process; they are written as soon as the file can be.",
                        RuntimeWarning,
                        stacklevel=2,
                    )

    async def keep_written(self) -> None:
        """Write what is added, until it is cancelled."""
        while self.path is not None:
            await asyncio.sleep(_BETWEEN_WRITES)
            await asyncio.to_thread(self.flush)

    def _add(self, row: dict[str, Any]) -> None:
        line = b"" if self.path is None else _line(row)
        with self._lock:
            self._take(row)
            self._unwritten += line

    def _take(self, row: Mapping[str, Any]) -> None:
        match row:
            case {"row": str(key)}:
                self._rows[key] = dict(row)
            case {"answer": [str(variant), str(key), int(repeat), str(digest)], **answer}:
                place = (variant, key, repeat, digest)
                self._answers[place] = answer
                self._scores.pop(place, None)
                if answer.get("error") is not None and answer.get("is_final"):
                    self._failures[place] = self._failures.get(place, 0) + 1
            case {"score": [str(variant), str(key), int(repeat), str(digest)], "scorer": str(name), **score}:
                self._scores.setdefault((variant, key, repeat, digest), {})[name] = score
            case {"note": str(name), "value": value}:
                self._notes[name] = value
            case {"key": str(), "digest": str(), "response_id": str()}:
                record = RunRecord.of_line(json.dumps(row))
                if record is not None:
                    self._runs[record.key, record.digest] = record


def read_ledger(path: str | PathLike[str]) -> list[Trial]:
    """Read all trials of the ledger of an experiment, those of earlier prompts and settings too.

    Args:
        path: The file.

    Returns:
        The trials with all scores that they have, in the order in which they were begun.

    Raises:
        ValidationError: The file does not exist or is not the ledger of an experiment.
    """
    if not Path(fspath(path)).is_file():
        raise ValidationError(f"there is no ledger {fspath(path)!r}.")
    ledger = Ledger(path)
    return [ledger.trial(place) for place in ledger.places()]


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _begun(path: Path, content: bytes, job: str) -> bytes:
    """Write a head to a file without one; where several processes do so, the first head counts."""
    head = _line({"format": _FORMAT, "job": job})
    start = head[: head.index(_FORMAT.encode()) + len(_FORMAT)]
    if not all(start.startswith(line[: len(start)]) for line in content.splitlines()):  # heads that were cut off
        raise ValidationError(f"{str(path)!r} is not the ledger of an experiment: use another file name.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        file.write(head if content.endswith(b"\n") or not content else b"\n" + head)
    return _content(path)


def _line(row: Mapping[str, Any]) -> bytes:
    return f"{json.dumps(row)}\n".encode()


def _rows(content: bytes) -> Iterator[dict[str, Any]]:
    """Yield the objects of some lines; what was cut off or damaged is left out."""
    for line in content.splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            yield row


def _job_in(content: bytes) -> str | None:
    jobs = (row.get("job") for row in _rows(content) if row.get("format") == _FORMAT)
    return next((job for job in jobs if isinstance(job, str)), None)
