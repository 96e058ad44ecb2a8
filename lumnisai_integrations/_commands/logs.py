"""Log of the embedded service on standard error: lines of text or JSON, written by a thread of its own."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from queue import Full, Queue
from threading import Thread

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")
_LOGGER = "lumnisai_core.local"
#: Lines that wait for a reader of standard error; further ones are dropped.
_MOST_WAITING = 10_000
#: Seconds in which lines are still written at the end.
_GRACE = 2.0


class _Text(logging.Formatter):
    """A line with time, level and message, and a traceback below it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatTime(self, record: logging.LogRecord, _: str | None = None) -> str:  # noqa: N802 - the name of logging
        return _time(record)


class _Json(logging.Formatter):
    """A JSON object with time, level and message, the fields of the line, and a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        shown = {"time": _time(record), "level": record.levelname, "message": record.getMessage()}
        shown |= getattr(record, "fields", {})
        if record.exc_info:
            shown["traceback"] = self.formatException(record.exc_info)
        return json.dumps(shown)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class _Handler(logging.Handler):
    """Leaves lines to a thread, so that a slow reader of standard error never holds up the service."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._waiting: Queue[str | None] = Queue(_MOST_WAITING)
        self._thread = Thread(target=self._write, name="lumnis-log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(Full):
            self._waiting.put_nowait(self.format(record))

    def _write(self) -> None:
        for line in iter(self._waiting.get, None):
            with suppress(OSError, ValueError):  # nobody reads standard error any more
                sys.stderr.write(f"{line}\n")
                sys.stderr.flush()

    def close(self) -> None:
        with suppress(Full):
            self._waiting.put(None, timeout=_GRACE)
            self._thread.join(_GRACE)
        super().close()


@contextmanager
def logged(level: str, form: str) -> Iterator[None]:
    """Write the service's log of a level and above to standard error."""
    logger = logging.getLogger(_LOGGER)
    before = logger.level, logger.propagate
    handler = _Handler(_Json() if form == "json" else _Text())
    logger.addHandler(handler)
    logger.setLevel(level.upper())
    logger.propagate = False
    try:
        yield
    finally:
        logger.level, logger.propagate = before
        logger.removeHandler(handler)
        handler.close()
