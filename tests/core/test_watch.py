"""Watching runs: updates, polls and final errors."""

from __future__ import annotations

from typing import Any

import pytest

from lumnisai_core import ResponseObject
from lumnisai_core.exceptions import RunCancelledError, RunFailedError, RunTimeoutError, ValidationError
from lumnisai_core.lumnis.runs.watch import Poll, RunWatch, WatchOptions, error_of_run, timeout_error


def run(*entries: Any, status: str = "in_progress", **fields: Any) -> ResponseObject:
    """A run whose entries are texts, or (text, tool names)."""
    progress = []
    for entry in entries:
        text, *tools = entry if isinstance(entry, tuple) else (entry,)
        progress.append({"state": "processing", "message": text, "tool_calls": [{"name": name} for name in tools]})
    return ResponseObject.model_validate(
        {"response_id": "r", "thread_id": "t", "status": status, "progress": progress, **fields}
    )


def updates(watch: RunWatch, response: ResponseObject) -> list[tuple[str, str, list[str]]]:
    return [
        (update.state, update.message, [call.name for call in update.tool_calls]) for update in watch.accept(response)
    ]


def entry(message: str, *tools: str, state: str = "processing") -> tuple[str, str, list[str]]:
    return (state, message, list(tools))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([], ["a", "b"], [entry("a"), entry("b")]),
        (["a"], ["a", "a"], [entry("a")]),
        (["a"], [("a", "x", "y")], [entry("a", "x", "y", state="tool_update")]),
        ([("a", "x")], [("a", "x", "x"), "b"], [entry("a", "x", state="tool_update"), entry("b")]),
        (["a", "b"], ["a", "c"], [entry("c")]),
        ([("a", "x")], [("a", "y")], [entry("a", "y")]),
        (["a", "b", "c"], ["a"], []),
        (["a", "b", "c"], ["x", "b"], [entry("x")]),
        (["a"], ["a"], []),
    ],
    ids=["new", "repeated text", "grew", "grew and new", "changed", "call changed", "shorter", "restarted", "same"],
)
def test_progress_is_compared_by_position_and_content(before: list[Any], after: list[Any], expected: list[Any]) -> None:
    """Nothing new is dropped and nothing old is repeated."""
    watch = RunWatch(WatchOptions(listening=True))
    watch.accept(run(*before))
    assert updates(watch, run(*after)) == expected


def _writing(text: str | None, *tools: str) -> ResponseObject:
    entry = {"state": "processing", "message": "Writing", "tool_calls": [{"name": name} for name in tools]}
    data = {"response_id": "r", "status": "in_progress", "progress": [{**entry, "output_text": text}]}
    return ResponseObject.model_validate(data)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, _writing("High"), [("processing", "High", "High")]),
        (_writing(None), _writing("High"), [("text_update", "High", "High")]),
        (_writing("High"), _writing("High at"), [("text_update", "High at", " at")]),
        (_writing("High"), _writing("High at", "tide"), [("tool_update", "High at", " at")]),
        (_writing("High"), _writing("Low"), [("processing", "Low", "")]),
        (_writing("High"), _writing(None), [("processing", None, "")]),
        (_writing("High"), _writing("High"), []),
    ],
    ids=["new", "first text", "grew", "grew with a call", "changed", "gone", "same"],
)
def test_text_that_grows_is_reported_piece_by_piece(
    before: ResponseObject | None, after: ResponseObject, expected: list[tuple[str, str, str]]
) -> None:
    """An update has the text so far and what is new of it; text that was changed has no new piece."""
    watch = RunWatch(WatchOptions(listening=True))
    if before:
        watch.accept(before)
    assert [(update.state, update.output_text, update.delta) for update in watch.accept(after)] == expected


def test_a_list_that_restarts_is_followed() -> None:
    """After a shorter list, later entries at the old places are reported."""
    watch = RunWatch(WatchOptions())
    watch.accept(run("a", "b", "c"))
    watch.accept(run("again"))
    assert updates(watch, run("again", "b")) == [entry("b")]


def test_only_the_last_update_has_a_terminal_status() -> None:
    """A reader that waits for `succeeded` gets the answer with it, even if all updates come at once."""
    watch = RunWatch(WatchOptions())
    made = watch.accept(run("a", status="succeeded", output_text="done", structured_response={"x": 1}))
    assert [(update.status, update.output_text) for update in made] == [("in_progress", None), ("succeeded", "done")]
    assert made[-1].structured_response == {"x": 1}
    assert made[-1].is_last
    assert watch.over


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_run_without_an_answer_ends_with_an_update(status: str) -> None:
    """A stream never ends silently."""
    (update,) = RunWatch(WatchOptions()).accept(run(status=status))
    assert (update.status, update.state, update.is_last) == (status, status, True)


def test_a_failed_entry_is_not_the_end() -> None:
    """It can announce a retry; only the status ends a run."""
    watch = RunWatch(WatchOptions())
    watch.accept(
        ResponseObject.model_validate({"response_id": "r", "status": "in_progress", "progress": [{"state": "failed"}]})
    )
    assert not watch.over


def test_a_status_change_without_entries_is_reported_once() -> None:
    """Queued and started are updates of their own."""
    watch = RunWatch(WatchOptions())
    assert updates(watch, run(status="queued")) == [("queued", "", [])]
    assert updates(watch, run(status="queued")) == []
    assert updates(watch, run()) == [("in_progress", "", [])]


def test_a_replayed_create_is_read_again_before_it_ends() -> None:
    """The reply to a repeated create has a terminal status but no answer."""
    watch = RunWatch(WatchOptions())
    assert watch.begin(run(status="succeeded"), complete=False) == []
    assert not watch.over
    watch.accept(run(status="succeeded", output_text="done"))
    assert watch.over
    assert watch.last.output_text == "done"


@pytest.mark.parametrize(
    ("options", "elapsed", "poll"),
    [
        (WatchOptions(), 0.0, Poll(0.0, 10.0)),
        (WatchOptions(listening=True), 0.0, Poll(0.0, 1.0)),
        (WatchOptions(listening=True, progress_interval=0.25), 0.0, Poll(0.0, 0.25)),
        (WatchOptions(listening=True, run_timeout=5.0), 4.5, Poll(0.05, 0.0)),
        (WatchOptions(run_timeout=None), 1e9, Poll(0.0, 10.0)),
        (WatchOptions(run_timeout=60.0), 52.5, Poll(0.0, 7.0)),
        (WatchOptions(run_timeout=60.0), 59.5, Poll(0.05, 0.0)),
        (WatchOptions(run_timeout=60.0), 59.99, Poll(pytest.approx(0.01), 0.0)),  # type: ignore[arg-type]
        (WatchOptions(run_timeout=60.0), 60.0, None),
    ],
)
def test_how_to_poll_next(options: WatchOptions, elapsed: float, poll: Poll | None) -> None:
    """Long without a listener, short with one, never past the deadline."""
    watch = RunWatch(options)
    watch.begin(run(), complete=True)
    assert watch.next_poll(elapsed) == poll


def test_a_listener_gets_a_first_look_at_once() -> None:
    """Progress right after the create is not delayed by a service that holds polls until there is more."""
    watch = RunWatch(WatchOptions(listening=True))
    watch.begin(run(status="queued"), complete=False)
    first = watch.next_poll(0.0)
    assert first == Poll(0.0, 0.0)
    watch.accept(run(status="queued"), poll=first, took=0.001)
    assert watch.next_poll(0.0) == Poll(0.0, 1.0)


def test_a_service_that_does_not_hold_polls_is_not_flooded() -> None:
    """Immediate answers without updates make pauses grow from 0.05 to 1 s; an update or a held poll ends them."""
    watch = RunWatch(WatchOptions(listening=True))
    watch.accept(run("a"))
    pauses = []
    for _ in range(7):
        poll = watch.next_poll(0.0)
        assert poll is not None
        watch.accept(run("a"), poll=poll, took=0.001)
        pauses.append(watch.next_poll(0.0).pause)  # type: ignore[union-attr]
    assert pauses == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0])
    watch.accept(run("a"), poll=Poll(0.0, 1.0), took=1.0)
    assert watch.next_poll(0.0) == Poll(0.0, 1.0)
    watch.accept(run("a"), poll=Poll(0.0, 1.0), took=0.001)
    watch.accept(run("a", "b"), poll=Poll(0.0, 1.0), took=0.001)
    assert watch.next_poll(0.0) == Poll(0.0, 1.0)


@pytest.mark.parametrize(
    "wrong", [{"progress_interval": 0}, {"run_timeout": -1}, {"run_timeout": "600"}, {"progress_interval": None}]
)
def test_invalid_options_are_refused(wrong: dict[str, Any]) -> None:
    """Each is named in the error."""
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        WatchOptions(**wrong)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ({"code": "AGENT_ERROR", "message": "No register."}, "No register. (AGENT_ERROR)"),
        ({"message": "No register."}, "No register."),
        ("plain text", "plain text"),
        ({"reason": 5}, "{'reason': 5}"),
        (None, "last step"),
    ],
)
def test_a_failed_run_says_why(error: object, text: str) -> None:
    """Any shape of `error` ends up in the message; without one the last entry does."""
    failure = error_of_run(run("last step", status="failed", error=error))
    assert isinstance(failure, RunFailedError)
    assert text in str(failure)
    assert (failure.response_id, failure.thread_id) == ("r", "t")


def test_other_ends() -> None:
    """Success has no error, cancellation has one, and a timeout says how to wait again."""
    assert error_of_run(run(status="succeeded")) is None
    assert isinstance(error_of_run(run(status="cancelled")), RunCancelledError)
    late = timeout_error(run(), 3.0)
    assert isinstance(late, RunTimeoutError)
    assert "client.responses.wait('r')" in str(late)
