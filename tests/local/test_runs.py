"""The life of a run, and watching it."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from lumnisai_core.local import EngineError, RunReport, RunRequest, RunResult, Script, Step
from lumnisai_core.local.lumnis.store.store import Store
from lumnisai_core.local.store.database import Table
from tests.local.conftest import Serve
from tests.local.support import PATIENCE, Api, HeldEngine

RUN_FIELDS = {
    "response_id",
    "thread_id",
    "tenant_id",
    "user_id",
    "status",
    "progress",
    "input_messages",
    "output_text",
    "structured_response",
    "artifacts",
    "response_title",
    "error",
    "options",
    "created_at",
    "completed_at",
    "usage",
    "model",
}


def test_a_run_goes_from_queued_to_succeeded(serve: Serve, held: HeldEngine) -> None:
    """A run is queued when created, in progress while the engine works, and succeeded with its answer."""
    api = serve(held)
    created = api.create("How high is the tide?")
    assert set(created) == {"response_id", "thread_id", "tenant_id", "status", "created_at"}
    assert created["status"] == "queued"
    held.arrived()
    active = api.look(created["response_id"])
    assert (active["status"], active["output_text"], active["completed_at"]) == ("in_progress", None, None)
    held.release()
    done = api.wait(created["response_id"])
    assert (done["status"], done["output_text"]) == ("succeeded", "done")
    assert done["completed_at"] > done["created_at"]
    assert done["created_at"].endswith("+00:00")


def test_an_answer_grows_in_its_entry(serve: Serve, held: HeldEngine) -> None:
    """While an engine writes, one entry holds the text so far; other parts of it stay."""
    api = serve(held)
    created = api.create("How high is the tide?")
    report = held.arrived()
    index = report.progress("Writing the answer", output_text="do")
    for text in ("do", "don"):
        report.replace(index, output_text=text)
        (entry,) = api.look(created["response_id"])["progress"]
        assert (entry["state"], entry["message"], entry["output_text"]) == ("processing", "Writing the answer", text)
    held.release()
    assert [entry["output_text"] for entry in api.wait(created["response_id"])["progress"]] == ["don"]


@pytest.mark.parametrize(
    ("counted", "shown"),
    [
        (None, None),
        ({"input_tokens": 3, "output_tokens": 4}, {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}),
        ({"total_tokens": 9}, {"input_tokens": 0, "output_tokens": 0, "total_tokens": 9}),
    ],
)
def test_a_run_shows_its_tokens_and_its_model(serve: Serve, counted: Any, shown: Any) -> None:
    """A run has the usage and the model that its engine returned, null where it is not known."""

    class Counting:
        async def run(self, request: RunRequest, report: RunReport) -> RunResult:
            return RunResult("done", usage=counted, model="tide-1")

    run = serve(Counting()).finish()
    assert (run["usage"], run["model"]) == (shown, "tide-1")


@pytest.mark.parametrize("counted", [{"input_tokens": -1}, {"output_tokens": "4"}, {"total_tokens": True}])
def test_usage_that_cannot_be_counted_fails_the_run(serve: Serve, counted: Any) -> None:
    """Usage of an engine must be whole numbers of tokens."""

    class Counting:
        async def run(self, request: RunRequest, report: RunReport) -> RunResult:
            return RunResult("done", usage=counted)

    run = serve(Counting()).finish()
    assert (run["status"], run["error"]["code"]) == ("failed", "ENGINE_ERROR")
    assert "usage must be whole numbers of tokens" in run["error"]["message"]


def test_a_response_object_has_every_documented_field(serve: Serve) -> None:
    """A finished run shows the fields of the documentation, with the request's messages and options echoed."""
    artifact = {"artifactId": "artifact_1", "name": "a.md", "description": "d", "parts": [], "metadata": {}}
    api = serve(Script(output_text="ok", artifacts=[artifact], title="A title"))
    run = api.finish("Hello", options={"agent_mode": "auto"})
    assert set(run) == RUN_FIELDS
    assert run["input_messages"] == [{"role": "user", "content": "Hello"}]
    assert (run["options"], run["artifacts"], run["response_title"]) == ({"agent_mode": "auto"}, [artifact], "A title")


def test_stored_artifacts_are_an_empty_page(api: Api) -> None:
    """The list of stored artifacts has its documented shape."""
    run = api.finish()
    reply = api.get(f"/v1/responses/{run['response_id']}/artifacts").json()
    assert reply == {"artifacts": [], "total": 0, "limit": 50, "offset": 0}


def test_progress_entries_appear_in_order_and_grow(serve: Serve) -> None:
    """Entries are appended; tool calls are added to an older entry in place."""
    call = {"name": "web_search", "args": {"query": "tides"}}
    steps = [Step("Thinking."), Step("Searching."), Step(add_to=0, tool_calls=[call]), Step("Done.", state="completed")]
    run = serve(Script(steps=[*steps, Step(add_to=0, tool_calls=[call])])).finish()
    assert [entry["message"] for entry in run["progress"]] == ["Thinking.", "Searching.", "Done."]
    assert [entry["tool_calls"] for entry in run["progress"]] == [[call, call], None, None]
    assert set(run["progress"][0]) == {"ts", "state", "message", "tool_calls", "output_text"}


def test_a_run_may_start_its_progress_over(serve: Serve) -> None:
    """A reset throws earlier entries away."""
    run = serve(Script(steps=[Step("one"), Step("two"), Step("again", reset=True)])).finish()
    assert [entry["message"] for entry in run["progress"]] == ["again"]


def _hold(api: Api, response_id: str) -> Any:
    """Start a held poll in a thread; the result of the future is the run."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(api.look, response_id, wait=PATIENCE)
    pool.shutdown(wait=False)
    return future


def test_a_held_poll_answers_at_the_end_only(serve: Serve, held: HeldEngine) -> None:
    """By default a held poll is not answered for progress, but as soon as the run has ended."""
    api = serve(held)
    run = api.create()
    report = held.arrived()
    poll = _hold(api, run["response_id"])
    for number in range(3):
        report.progress(f"step {number}")
        assert len(api.look(run["response_id"])["progress"]) == number + 1
        assert not poll.done()
    held.release()
    assert poll.result(PATIENCE)["status"] == "succeeded"


def test_a_held_poll_answers_on_any_change(serve: Serve, held: HeldEngine) -> None:
    """In that mode every change answers a held poll: an entry, a tool call, a title, the end."""
    api = serve(held, poll="on-change")
    run = api.create()
    report = held.arrived()
    changes = (
        lambda: report.progress("one"),
        lambda: report.add_tool_calls(0, {"name": "t"}),
        lambda: report.replace(0, message="two", state="working"),
        lambda: report.title("Title"),
        report.reset,
        held.release,
    )
    seen = [api.look(run["response_id"])]
    for change in changes:
        poll = _hold(api, run["response_id"])
        while not poll.done():  # a change that comes before the poll is held does not answer it
            change()
            api.look(run["response_id"])
        seen.append(poll.result(PATIENCE))
        assert seen[-1] != seen[-2]
    assert seen[-1]["status"] == "succeeded"


@pytest.mark.parametrize("wait", ["0", "-5", "0.001", "30.0"])
def test_wait_accepts_decimals_and_is_bounded(serve: Serve, held: HeldEngine, wait: str) -> None:
    """Any number of seconds is taken; none is longer than the service's own limit, negative means none."""
    api = serve(held, max_wait=0.01)
    run = api.create()
    held.arrived()
    assert api.look(run["response_id"], wait=wait)["status"] == "in_progress"


@pytest.mark.parametrize("wait", ["soon", "nan", "inf", ""])
def test_a_wait_that_is_not_a_number_is_422(api: Api, wait: str) -> None:
    """Junk in `wait` is refused."""
    run = api.create()
    assert api.get(f"/v1/responses/{run['response_id']}", params={"wait": wait}).status_code == 422


def test_cancel_stops_the_engine_and_wakes_polls(serve: Serve, held: HeldEngine) -> None:
    """Cancelling ends the run at once, cancels the engine's task and answers held polls; a second time is 409."""
    api = serve(held)
    run = api.create()
    held.arrived()
    poll = _hold(api, run["response_id"])
    reply = api.post(f"/v1/responses/{run['response_id']}/cancel")
    assert (reply.status_code, reply.json()["status"]) == (200, "cancelled")
    assert poll.result(PATIENCE)["status"] == "cancelled"
    assert poll.result()["completed_at"]
    assert held.cancelled.wait(PATIENCE)
    again = api.post(f"/v1/responses/{run['response_id']}/cancel")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "ALREADY_FINISHED")


def test_late_reports_of_a_cancelled_engine_are_ignored(serve: Serve, held: HeldEngine) -> None:
    """A cancelled run does not change any more."""
    api = serve(held)
    run = api.create()
    report = held.arrived()
    api.post(f"/v1/responses/{run['response_id']}/cancel")
    before = api.look(run["response_id"])
    report.progress("too late")
    assert api.look(run["response_id"]) == before


def test_a_script_can_fail(serve: Serve) -> None:
    """An engine's error becomes the error of the failed run."""
    run = serve(Script(steps=[Step("Trying.", state="failed")], error=("AGENT_ERROR", "No register."))).finish()
    assert (run["status"], run["output_text"]) == ("failed", None)
    assert run["error"] == {"code": "AGENT_ERROR", "message": "No register."}
    assert run["completed_at"]


class Broken:
    """Raises an error, or returns a result that may be wrong."""

    def __init__(self, error: BaseException | None = None, result: RunResult | None = None) -> None:
        self.error = error
        self.result = result or RunResult()

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        if self.error is not None:
            raise self.error
        return self.result


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (Broken(KeyError("tide")), "KeyError: 'tide'"),
        (Broken(asyncio.CancelledError()), "CancelledError: the engine gave up the run"),
        (Broken(result=RunResult(structured_response={"a": float("nan")})), "ValueError: "),
        (Broken(result=RunResult(structured_response={"a": object()})), "TypeError: "),
        (Broken(result=RunResult("\ud800")), "UnicodeEncodeError: "),
        (Broken(result=RunResult(5)), "TypeError: output_text must be a string or None, got int"),  # type: ignore[arg-type]
        (Broken(ValueError("\ud800")), "ValueError: ?"),
        (Broken(result=RunResult(artifacts=({"a": {1}},))), "TypeError: "),
    ],
)
def test_a_fault_in_an_engine_fails_its_run(
    serve: Serve, engine: Broken, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong in an engine ends the run with a reason; the service keeps serving."""
    caplog.set_level(logging.CRITICAL, "lumnisai.local")  # half a character in a log cannot be reported
    api = serve(engine)
    for _ in range(2):
        run = api.finish()
        assert (run["status"], run["error"]["code"]) == ("failed", "ENGINE_ERROR")
        assert run["error"]["message"].startswith(message)


def test_an_unexpected_fault_is_logged(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """The trace of an engine's fault is in the log."""
    serve(Broken(KeyError("tide"))).finish()
    assert "Traceback" in caplog.text


def test_an_engine_error_has_code_and_text() -> None:
    """The error says both in its text."""
    assert str(EngineError("A", "b")) == "A: b"


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def test_a_structured_answer_is_checked(serve: Serve) -> None:
    """An answer that satisfies the schema is delivered; one that does not fails the run with the reason."""
    good = serve(Script(output_text="ok", structured_response={"n": 1})).finish(response_format=SCHEMA)
    assert (good["status"], good["structured_response"]) == ("succeeded", {"n": 1})
    bad = serve(Script(output_text="ok", structured_response={"n": "x"})).finish(response_format=SCHEMA)
    assert (bad["status"], bad["error"]["code"]) == ("failed", "STRUCTURED_OUTPUT_INVALID")
    assert "integer" in bad["error"]["message"]


class Threaded:
    """Reports from many threads at once."""

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        def work(number: int) -> None:
            index = report.progress(f"from {number}")
            report.add_tool_calls(index, {"name": str(number)})

        await asyncio.gather(*(asyncio.to_thread(work, number) for number in range(20)))
        return RunResult(threading.current_thread().name)


def test_progress_may_be_reported_from_any_thread(serve: Serve) -> None:
    """Nothing is lost or mixed up when several threads report."""
    run = serve(Threaded()).finish()
    assert len(run["progress"]) == 20
    assert all(entry["message"] == f"from {entry['tool_calls'][0]['name']}" for entry in run["progress"])


async def test_many_runs_and_polls_at_once(serve: Serve, held: HeldEngine) -> None:
    """A hundred runs are active together, each with a held poll, and all of them end."""
    api = serve(held)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=api.base_url, headers=api.headers, timeout=30, limits=limits) as client:
        body = {"messages": [{"role": "user", "content": "Hello"}]}
        made = await asyncio.gather(*(client.post("/v1/responses", json=body) for _ in range(100)))
        ids = [reply.json()["response_id"] for reply in made]
        polls = [asyncio.create_task(client.get(f"/v1/responses/{one}?wait=20")) for one in ids]
        for _ in ids:
            await asyncio.to_thread(held.arrived)
        held.release()
        ended = [(await poll).json() for poll in polls]
    assert {run["status"] for run in ended} == {"succeeded"}
    assert [run["response_id"] for run in ended] == ids


def test_a_large_request_does_not_hold_up_others(serve: Serve) -> None:
    """Megabytes of material are searched while other calls are answered."""
    api = serve()
    lines = "\n".join(f"Line {number} is about buoy{number % 997}." for number in range(100_000))
    run = api.create(f"{lines}\n\nWhat is said about buoy455?")
    poll = _hold(api, run["response_id"])
    while not poll.done():
        assert api.get("/v1/health").status_code == 200
    assert "is about buoy455." in poll.result()["output_text"]


@pytest.mark.parametrize(
    "text", ["\u6771\u4eac \U0001f30a caf\u00e9", "a\u0000b", "\u202e", "\r\n", "'; DROP TABLE runs; --"]
)
def test_any_text_comes_back_unchanged(api: Api, text: str) -> None:
    """Every character survives the trip through the database."""
    run = api.finish(text)
    assert run["input_messages"][0]["content"] == text
    assert run["output_text"] == f"user: {text}"


@pytest.mark.parametrize(("kind", "method"), [(Store, "end_run"), (Table, "change")])
def test_a_run_ends_although_the_disk_was_full(
    kind: type[Any], method: str, serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be stored waits until there is room; nothing that was accepted is in progress for ever."""
    real, failures = getattr(kind, method), iter(range(3))

    def write(*arguments: Any, **values: Any) -> None:
        if "status" in values and next(failures, None) is not None:
            raise sqlite3.OperationalError("database or disk is full")
        real(*arguments, **values)

    api = serve(Script(output_text="done"))
    monkeypatch.setattr("lumnisai_core.local.lumnis.runs._DISK_PAUSE", 0.01)
    monkeypatch.setattr(kind, method, write)
    with caplog.at_level(logging.ERROR, "lumnisai.local"):
        run = api.finish("How high is the tide?")
    assert (run["status"], run["output_text"]) == ("succeeded", "done")
    assert "database or disk is full" in caplog.text


TURN = {
    "type": "object",
    "properties": {
        "tool_calls": {"type": ["array", "null"], "items": {"type": "object", "required": ["name"]}},
        "content": {"type": ["string", "null"]},
    },
    "required": ["tool_calls", "content"],
    "additionalProperties": False,
}


def test_what_a_structured_answer_leaves_out_is_null_where_it_may_be(serve: Serve) -> None:
    run = serve(Script(structured_response={"content": "Hi."})).finish(response_format=TURN)
    assert run["structured_response"] == {"content": "Hi.", "tool_calls": None}
    run = serve(Script(structured_response={})).finish(response_format=SCHEMA)
    assert "'n'" in run["error"]["message"].replace('"', "'")


def test_calls_of_tools_are_for_the_caller_to_check(serve: Serve) -> None:
    """A call that does not fit reaches the caller, whose agent can correct it."""
    run = serve(Script(structured_response={"tool_calls": [{"nam": "x"}]})).finish(response_format=TURN)
    assert run["structured_response"] == {"content": None, "tool_calls": [{"nam": "x"}]}
