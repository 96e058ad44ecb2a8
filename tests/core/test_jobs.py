"""Keys of runs, further attempts, and the progress and tables of jobs; pure."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from uuid import uuid4

import pytest

from lumnisai_core import (
    JobProgress,
    KeyFunction,
    ProgressLine,
    ResponseObject,
    RunOutcome,
    RunRecord,
)
from lumnisai_core._transport.answer import Answer
from lumnisai_core._transport.call import Call
from lumnisai_core.exceptions import RunFailedError, TransportError
from lumnisai_core.lumnis.calls.runs import RunStart, run_start
from lumnisai_core.lumnis.config import settings_from
from lumnisai_core.lumnis.runs.batch import is_made_again, job_start, recorded_start, run_key, table_rows

SETTINGS = settings_from(api_key="k", user_id="u")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_key_comes_from_job_input_request_and_attempt_alone() -> None:
    """Each part counts, and no two parts run together."""
    keys = {
        run_key(*parts)
        for parts in (
            ("j", "1", "d", 0),
            ("j", "1", "d", 1),
            ("j", "1", "e", 0),
            ("j", "2", "d", 0),
            ("k", "1", "d", 0),
        )
    }
    assert len(keys) == 5
    assert run_key("a", "b-c", "d", 0) != run_key("a-b", "c", "d", 0)
    assert run_key("j", "1", "d", 0) == run_key("j", "1", "d", 0)
    assert len(run_key("j" * 1000, "ü" * 1000, "d", 0)) < 255


CALL = Call("POST", "/v1/responses", ResponseObject.model_validate)


def answered(
    start: RunStart, age: float | None, *, took: float = 1.0, date: str | None = None, ahead: float = 0.0
) -> RunStart:
    """Have a run answered that was made so many seconds before the answer; this machine's clock is ahead."""
    created = None if age is None else (NOW - timedelta(seconds=age)).isoformat()
    headers = {"date": format_datetime(NOW, usegmt=True) if date is None else date}
    answer = Answer(201, headers, json.dumps({"response_id": "r", "created_at": created}).encode())
    SETTINGS.service.result_of(start.call, answer, now=0.0)
    start.answered(NOW.timestamp() + ahead, took)
    return start


@pytest.mark.parametrize(
    ("age", "took", "ahead", "sure", "likely"),
    [
        (3600.0, 1.0, 0.0, True, True),
        (3600.0, 1.0, -7200.0, True, True),
        (3.0, 1.0, 0.0, True, True),
        (2.0, 1.0, 0.0, False, True),  # the header has whole seconds
        (-0.3, 0.1, 1.9, False, True),  # and many servers renew it once a second
        (2.0, 1.0, 5.0, False, False),
        (1.0, 1.0, 0.0, False, False),
        (0.5, 1.0, 0.4, False, False),
        (0.5, 1.0, 3600.0, False, False),
        (3.0, 5.0, 0.0, False, False),
        (-3600.0, 1.0, 0.0, False, False),
        (None, 1.0, 0.0, False, False),
    ],
)
def test_a_run_is_earlier_by_the_clock_of_the_service(
    age: float | None, took: float, ahead: float, sure: bool, likely: bool
) -> None:
    """By its age when it was answered; that of this machine tells parts of seconds, if it is not known to be wrong."""
    start = answered(job_start(CALL, "tides", "row-1", "d", 0)[0], age, took=took, ahead=ahead)
    assert (start.is_earlier(surely=True), start.is_earlier()) == (sure, likely)


@pytest.mark.parametrize("date", ["", "now", "Thu, 01 Jan 99999 00:00:00 GMT"])
def test_a_run_is_not_earlier_if_nobody_knows_when_it_was_answered(date: str) -> None:
    """A header that is missing or cannot be read says nothing."""
    start = answered(job_start(CALL, "tides", "row-1", "d", 0)[0], 3600.0, date=date)
    assert not start.is_earlier()


#: How the run was found, and whether it was there before.
FOUND = {"created": False, "found": True, "recorded": True}
AGAIN = [
    # status, found, failures, attempts: again?
    ("succeeded", "recorded", 0, 5, False),
    ("failed", "found", 1, 1, False),
    ("failed", "recorded", 1, 1, False),
    ("failed", "found", 1, 2, True),
    ("failed", "created", 2, 2, False),
    ("failed", "created", 1, 2, True),
    ("cancelled", "found", 0, 1, True),
    ("cancelled", "created", 0, 1, False),
    ("cancelled", "recorded", 0, 1, True),
    ("in_progress", "recorded", 0, 5, False),
]


@pytest.mark.parametrize(("status", "found", "failures", "attempts", "again"), AGAIN)
def test_which_runs_of_a_job_are_followed_by_another(
    status: str, found: str, failures: int, attempts: int, again: bool
) -> None:
    """Failed ones as often as the caller allows; cancelled ones only if an earlier start was interrupted."""
    if found == "recorded":
        start = recorded_start("r")
    else:
        start = answered(job_start(CALL, "tides", "row-1", "d", 0)[0], 60.0 if FOUND[found] else 0.0)
    assert start.is_earlier() is FOUND[found]
    run = ResponseObject(response_id="r", status=status)
    assert is_made_again(start, run, failures=failures, attempts=attempts) is again


@pytest.mark.parametrize("status", ["queued", "succeeded", "failed", "cancelled"])
@pytest.mark.parametrize("key", [None, "fixed", lambda request: f"{request.digest}-{request.attempt}"])
def test_which_runs_of_a_key_are_followed_by_another(status: str, key: str | KeyFunction | None) -> None:
    """Those without an answer that were there before, if a function makes the keys; at most 20 times."""
    start = run_start(SETTINGS, "Hi", {"idempotency_key": key})
    run, attempts = ResponseObject(response_id="r", status=status), 1
    if callable(key):
        assert answered(start, 0.0).renewed(run) is None
        answered(start, 60.0)
    while (again := start.renewed(run)) is not None:
        assert again.call.idempotency_key != start.call.idempotency_key
        start, attempts = answered(again, 60.0), attempts + 1
    assert attempts == (20 if callable(key) and status in ("failed", "cancelled") else 1)


def test_a_run_that_this_process_has_stopped_is_not_looked_for_again() -> None:
    """The next start of a job begins with the attempt after it, however soon; a failed one is found again."""
    job = str(uuid4())
    attempts = []
    for ended in (ResponseObject(response_id="r", status="failed"), None, None):
        start, _ = job_start(CALL, job, "row-1", "d", 0)
        start.ended(ended)
        attempts.append(job_start(CALL, job, "row-1", "d", 0)[1])
    assert attempts == [0, 1, 2]


def test_progress_counts_rate_and_time_left() -> None:
    """The total may be unknown."""
    progress = JobProgress(total=4)
    assert (progress.rate, progress.seconds_left) == (0.0, None)
    run = ResponseObject.model_validate({"response_id": "r", "usage": {"input_tokens": 3, "output_tokens": 2}})
    progress = progress.after(run, is_error=False, seconds=2.0).after(None, is_error=True, seconds=4.0)
    assert (progress.done, progress.errors, progress.rate, progress.seconds_left) == (2, 1, 0.5, 4.0)
    assert str(progress) == "2/4 rows, 0.5/s, 1 error, 3 + 2 tokens, 0:04 left"
    assert progress.bar() == "[##########..........]  50%  " + str(progress)
    assert str(JobProgress(done=5000, seconds=7200.0)) == "5,000 rows, 0.7/s, 0 errors, 2:00:00"


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_is_replaced_on_a_screen_and_not_flooded() -> None:
    """A shorter text covers the longer one before it."""
    screen = Screen()
    line = ProgressLine(screen)
    for seconds in (1.0, 1.01, 1.02, 2.0):
        line(JobProgress(done=int(seconds * 100), seconds=seconds))
    line.close()
    assert screen.getvalue().count("\r") == 3
    assert screen.getvalue().endswith("200 rows, 100.0/s, 0 errors, 0:02\n")


class Cell:
    """The output of a notebook's cell: everything that was displayed in its one place."""

    def __init__(self) -> None:
        self.pictures: list[dict[str, str]] = []

    def display(self, picture: dict[str, str], *, raw: bool, display_id: bool) -> Cell:
        assert raw
        assert display_id
        self.update(picture, raw=raw)
        return self

    def update(self, picture: dict[str, str], *, raw: bool) -> None:
        assert raw
        if len(self.pictures) == 2:
            raise OSError("the front end is gone")
        self.pictures.append(picture)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    made = Cell()
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", made)
    return made


@pytest.mark.parametrize(
    ("progress", "html", "text"),
    [
        (JobProgress(2, total=2), "<div>✓ 2/2 rows, 2.0/s, 0 errors, 0:01</div>", "✓ 2/2 rows"),
        (JobProgress(1, total=2), "<div>■ 1/2 rows, 1.0/s, 0 errors, 0:01 left</div>", "■ 1/2 rows"),
        (JobProgress(2), "<div>✓ 2 rows, 2.0/s, 0 errors, 0:01</div>", "✓ 2 rows"),
    ],
)
def test_a_notebook_has_a_bar_that_becomes_a_line(cell: Cell, progress: JobProgress, html: str, text: str) -> None:
    """In one place, with another mark if the job was left."""
    line = ProgressLine()
    line(JobProgress(1, total=2, seconds=1.0))
    line(replace(progress, seconds=1.01))  # too soon to be shown
    line.close()
    bar = '<div><progress max="2" value="1"></progress> 1/2 rows, 1.0/s, 0 errors, 0:01 left</div>'
    assert [picture["text/html"] for picture in cell.pictures] == [bar, html]
    assert cell.pictures[0]["text/plain"].startswith("[##########..........]  50%  1/2 rows")
    assert cell.pictures[1]["text/plain"].startswith(text)


def test_a_line_takes_over_from_a_bar_that_fails(
    cell: Cell, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The job costs money; there is one warning."""
    line = ProgressLine()
    for seconds in range(1, 5):
        line(JobProgress(seconds, total=4, seconds=float(seconds)))
    line.close()
    assert capsys.readouterr().out.count("\r") == 3
    assert caplog.text.count("OSError: the front end is gone") == 1


def test_a_log_gets_a_line_now_and_then() -> None:
    """Without control characters."""
    log = io.StringIO()
    line = ProgressLine(log)
    for seconds in range(1, 25):
        line(JobProgress(done=seconds, seconds=float(seconds)))
    line.close()
    assert [text.split(" ")[0] for text in log.getvalue().splitlines()] == ["1", "11", "21", "24"]
    assert "\r" not in log.getvalue()


def test_a_closed_output_does_not_end_the_job() -> None:
    """The runs cost money; the line does not matter."""
    screen = Screen()
    line = ProgressLine(screen)
    screen.close()
    line(JobProgress(done=1, seconds=1.0))


def test_a_table_has_usage_and_cost_as_far_as_they_are_known() -> None:
    """Columns that nobody reports are left out."""
    run = ResponseObject.model_validate(
        {
            "response_id": "r",
            "status": "succeeded",
            "output_text": "A",
            "model": "m",
            "usage": {"input_tokens": 1_000_000, "output_tokens": 500_000},
        }
    )
    failed = ResponseObject(response_id="f", status="failed")
    error = RunFailedError("Run f failed.", response_id="f", response=failed)
    outcomes = [RunOutcome(0, response=run), RunOutcome(1, error=error), RunOutcome(2, error=TransportError("No."))]
    rows = table_rows(outcomes, {"m": (2.0, 10.0)})
    assert [row["cost"] for row in rows] == [7.0, None, None]
    assert [row["status"] for row in rows] == ["succeeded", "failed", None]
    assert [row["error"] for row in rows] == [None, "Run f failed.", "No."]
    assert [row["input_tokens"] for row in rows] == [1_000_000, None, None]
    assert list(table_rows(outcomes[2:], {"m": (2.0, 10.0)})[0]) == [
        "answer",
        "structured",
        "response_id",
        "status",
        "error",
    ]


def test_a_record_at_its_end_is_read_from_its_line() -> None:
    """With answer, object, status, error and usage."""
    run = ResponseObject.model_validate(
        {
            "response_id": "r",
            "status": "failed",
            "output_text": "ü\n",
            "structured_response": {"x": [1]},
            "error": {"message": "No.", "code": "E"},
            "model": "m",
            "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        }
    )
    record = RunRecord("k", "d", "r", 1, run)
    assert RunRecord.of_line(record.line_at_end()) == record
    assert RunRecord.of_line(record.line()) == RunRecord("k", "d", "r", 1)
    assert record.columns()["error"] == "Run r failed: No. (E)"
    assert RunRecord("k", "d", "r").columns()["response_id"] == "r"


@pytest.mark.parametrize("line", ["", "{", "[]", '{"key": 1, "digest": "d", "response_id": "r"}', "\ufffd", "null"])
def test_a_damaged_line_is_no_record(line: str) -> None:
    """It only costs a call."""
    assert RunRecord.of_line(line) is None
