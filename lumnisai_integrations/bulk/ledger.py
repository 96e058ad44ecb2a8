"""Ledgers of a data set: a folder with a file for each attempt at a block, from which a job is continued and read."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote
from uuid import uuid4

from lumnisai_core import RunRecord
from lumnisai_core.exceptions import ValidationError

_logger = logging.getLogger("lumnisai_integrations")

#: Seconds between two writes of a file to a store that cannot append.
_BETWEEN_WRITES = 2.0


class _Folder(Protocol):
    """The files of one job."""

    def names(self) -> list[str]: ...

    def read(self, name: str) -> bytes: ...

    def part(self, name: str, start: int, end: int) -> bytes: ...

    def write(self, name: str, content: bytearray, *, since: int) -> None: ...


class _Local:
    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> list[str]:
        return [path.name for path in self._path.glob("*.jsonl")] if self._path.is_dir() else []

    def read(self, name: str) -> bytes:
        return (self._path / name).read_bytes()

    def part(self, name: str, start: int, end: int) -> bytes:
        with (self._path / name).open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def write(self, name: str, content: bytearray, *, since: int) -> None:
        self._path.mkdir(parents=True, exist_ok=True)
        with (self._path / name).open("ab", buffering=0) as file:
            file.write(content[since:])


class _Remote:
    def __init__(self, url: str) -> None:
        try:
            fsspec = import_module("fsspec")
        except ImportError as error:
            raise ImportError(
                f'a ledger at {url!r} needs fsspec: pip install "lumnisai-integrations[ray]"', name="fsspec"
            ) from error
        self._files, self._path = fsspec.core.url_to_fs(url)

    def names(self) -> list[str]:
        if not self._files.isdir(self._path):
            return []
        found: list[str] = self._files.ls(self._path, detail=False)
        return [path.rpartition("/")[2] for path in found if path.endswith(".jsonl")]

    def read(self, name: str) -> bytes:
        content: bytes = self._files.cat_file(f"{self._path}/{name}")
        return content

    def part(self, name: str, start: int, end: int) -> bytes:
        content: bytes = self._files.cat_file(f"{self._path}/{name}", start=start, end=end)
        return content

    def write(self, name: str, content: bytearray, *, since: int) -> None:  # noqa: ARG002 - the whole file again
        self._files.makedirs(self._path, exist_ok=True)
        self._files.pipe_file(f"{self._path}/{name}", bytes(content))


class _Place(NamedTuple):
    """Where a record is: file, first byte, byte after the last; and what makes it newer than another one."""

    name: str
    start: int
    end: int
    attempt: int
    has_ended: bool


class JobLedger:
    """What earlier starts of a job have recorded. Only the places of the records are kept in memory.

    Args:
        folder: Folder of the ledgers: a path, or a URL such as ``s3://bucket/ledgers``.
        job: Name of the job.
    """

    def __init__(self, folder: str, job: str) -> None:
        place = f"{folder.rstrip('/')}/{quote(job, safe='')}"
        self._folder: _Folder = _Remote(place) if "://" in folder else _Local(Path(place))
        self.is_remote: bool = "://" in folder
        self._places: dict[tuple[str, str], _Place] | None = None
        self._lock = threading.Lock()

    def find(self, key: str, digest: str) -> RunRecord | None:
        """Return the newest record of a row with this request, if there is one and it can be read."""
        try:
            with self._lock:
                if self._places is None:
                    self._places = self._all()
            place = self._places.get((key, digest))
            return None if place is None else self._record(place)
        except OSError as error:
            _logger.warning("The ledger cannot be read; runs are found by their keys: %s", error)
            return None

    def records(self) -> Iterator[RunRecord]:
        """Return the newest record of each row: of the request that was made last."""
        newest = {key: place for (key, _), place in self._all().items()}
        for place in newest.values():
            record = self._record(place)
            if record is not None:
                yield record

    def write(self, name: str, content: bytearray, *, since: int) -> None:
        """Write a file, whose content is new from a byte on."""
        self._folder.write(name, content, since=since)

    def _all(self) -> dict[tuple[str, str], _Place]:
        places: dict[tuple[str, str], _Place] = {}
        for name in sorted(self._folder.names()):  # names begin with their time
            start = 0
            for line in self._folder.read(name).splitlines(keepends=True):
                record, end = RunRecord.of_line(line), start + len(line)
                if record is not None:
                    place = _Place(name, start, end, record.attempt, record.response is not None)
                    known = places.pop((record.key, record.digest), place)
                    # Of two attempts at a block at the same time, the one that saw the end counts.
                    places[record.key, record.digest] = max(known, place, key=lambda one: (one[3:], one[:2]))
                start = end
        return places

    def _record(self, place: _Place) -> RunRecord | None:
        return RunRecord.of_line(self._folder.part(place.name, place.start, place.end))


class BlockLedger:
    """The ledger of one attempt at a block: finds what the job has recorded, and writes a file of its own.

    It only saves calls. What cannot be written is found again by its key, so that a full disk ends no job.
    """

    def __init__(self, job: JobLedger) -> None:
        self._job = job
        self._name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{uuid4().hex[:12]}.jsonl"
        self._content = bytearray()
        self._written = 0
        self._written_at = time.monotonic()
        self._has_failed = False
        self._lock = threading.Lock()

    def find(self, key: str, digest: str) -> RunRecord | None:
        """Return the newest record of a row with this request."""
        return self._job.find(key, digest)

    def add(self, record: RunRecord) -> None:
        """Record a run that was just created."""
        self._add(record.line())

    def end(self, record: RunRecord) -> None:
        """Record the end of a run, with its answer."""
        self._add(record.line_at_end())

    def close(self) -> None:
        """Write what is not written yet."""
        with self._lock:
            self._write()

    def _add(self, line: bytes) -> None:
        with self._lock:
            self._content += line
            if not self._job.is_remote or time.monotonic() - self._written_at >= _BETWEEN_WRITES:
                self._write()

    def _write(self) -> None:
        if self._written == len(self._content):
            return
        try:
            self._job.write(self._name, self._content, since=self._written)
            self._written = len(self._content)
        except OSError as error:
            if not self._has_failed:
                _logger.warning("The ledger cannot be written; the job continues without it: %s", error)
            self._has_failed = True
        self._written_at = time.monotonic()


def read_job(ledger: str | Path, job: str) -> Iterator[dict[str, Any]]:
    """Read what a job has recorded: a row for each key, as its last start left it.

    Args:
        ledger: Folder of the ledgers: a path, or a URL such as ``s3://bucket/ledgers``.
        job: Name of the job.

    Returns:
        Dicts with ``key``, ``answer``, ``structured``, ``response_id``, ``status`` and ``error``, for example for
        ``pandas.DataFrame(read_job(...))``. Rows that had no run, because they were invalid or refused, are missing;
        a run whose end was not seen has no status.

    Raises:
        ValidationError: The ledger has nothing of this job.
    """
    records = JobLedger(str(ledger), job).records()
    first = next(records, None)
    if first is None:
        raise ValidationError(f"The ledger {str(ledger)!r} has no records of a job {job!r}.")
    return _rows(first, records)


def _rows(first: RunRecord, others: Iterator[RunRecord]) -> Iterator[dict[str, Any]]:
    for record in chain([first], others):
        yield {"key": record.key, **record.columns()}
