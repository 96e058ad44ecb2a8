"""Module-level calls of Lucidic: sessions, nested events, masking, delivery; what arrives at a recording service."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import lumnisai_core.lucidic as lai
from lumnisai_core.exceptions import ValidationError
from tests.core.collector import KEY, Collector, collector


@pytest.fixture
def service() -> Iterator[Collector]:
    with collector() as known:
        yield known
        assert lai.flush(20)


@pytest.fixture
def session_id(service: Collector) -> Iterator[str]:
    with lai.session("tests", base_url=service.base_url, **KEY) as known:
        yield known


def arrived(service: Collector, session_id: str) -> list[dict[str, Any]]:
    assert lai.flush(20)
    return service.events(session_id)


def tree(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the name of each function with that of its parent, or an empty one."""
    names = {row["client_event_id"]: row["payload"].get("function_name", row["type"]) for row in rows}
    return sorted((names[row["client_event_id"]], names.get(row["client_parent_event_id"], "")) for row in rows)


@lai.event()
def leaf(x: int = 1) -> int:
    return x + 1


# Sessions


def test_init_begins_a_session_and_end_session_ends_it(service: Collector) -> None:
    """It is current here and in threads without a context; ending twice is harmless."""
    session_id = lai.init("first", tags=["a"], task="t", base_url=service.base_url, **KEY)
    assert service.bodies("/initsession")[0]["session_id"] == session_id == lai.get_session_id()
    thread = threading.Thread(target=leaf)
    thread.start()
    thread.join()
    lai.update_session(task="later")
    lai.end_session(is_successful=True, session_eval=0.9)
    assert len(arrived(service, session_id)) == 1
    assert service.changes(session_id) == {
        "task": "later",
        "is_successful": True,
        "session_eval": 0.9,
        "is_finished": True,
    }
    assert lai.get_session_id() is None
    with pytest.raises(lai.LucidicNotInitializedError, match="init"):
        lai.end_session()


def test_a_session_ends_after_its_events(service: Collector) -> None:
    """Whatever the senders do at the same time."""
    with lai.session(base_url=service.base_url, **KEY) as session_id:
        for _ in range(30):
            leaf()
    arrived(service, session_id)
    paths = [sent.path for sent in service.requests if session_id in str(sent.body)]
    assert paths == ["/initsession", *["/events"] * 30, "/updatesession"]


def test_nested_sessions_and_bindings(service: Collector) -> None:
    """The inner one is current inside only; binding ends nothing; wrappers give the function's result."""
    options = {"base_url": service.base_url, **KEY}
    with lai.session("outer", auto_end=False, **options) as outer:
        with lai.session("inner", **options) as inner:
            assert lai.get_session_id() == inner
        assert lai.get_session_id() == outer
    with lai.bind_session(outer):
        leaf()
    assert lai.run_in_session(outer, leaf, 4) == 5
    assert lai.run_session(leaf, 2, init_params={"session_name": "wrapped", **options}) == 3
    assert len(arrived(service, outer)) == 2
    assert service.changes(outer) == {}
    assert service.changes(inner) == {"is_finished": True}
    lai.end_session(session_id=outer)


async def test_asynchronous_forms(service: Collector) -> None:
    """Coroutine functions run inside their session; tasks inherit session and parent."""
    options = {"base_url": service.base_url, **KEY}

    @lai.event()
    async def step(n: int) -> int:
        await asyncio.sleep(0)
        return leaf(n)

    @lai.event()
    async def both() -> list[int]:
        return list(await asyncio.gather(step(1), step(2)))

    async with lai.session_async("async", **options) as session_id:
        assert await both() == [2, 3]
    assert await lai.run_session(step, 5, init_params=options) == 6
    async with lai.bind_session_async(session_id):
        assert await lai.run_in_session(session_id, step, 7) == 8
    rows = await asyncio.to_thread(arrived, service, session_id)
    assert tree(rows) == [
        ("both", ""),
        ("leaf", "step"),
        ("leaf", "step"),
        ("leaf", "step"),
        ("step", ""),
        ("step", "both"),
        ("step", "both"),
    ]


async def test_a_session_may_end_in_another_task(service: Collector) -> None:
    """No token belongs to one context only."""
    manager = lai.session("x", base_url=service.base_url, **KEY)
    session_id = await asyncio.to_thread(manager.__enter__)
    await asyncio.create_task(asyncio.to_thread(manager.__exit__, None, None, None))
    await asyncio.to_thread(arrived, service, session_id)
    assert service.changes(session_id) == {"is_finished": True}


def test_an_exception_that_leaves_a_session_is_recorded(service: Collector) -> None:
    """Once, with its traceback; the session is a failure."""
    with pytest.raises(ZeroDivisionError), lai.session(base_url=service.base_url, **KEY) as session_id:
        _ = 1 / 0
    (row,) = arrived(service, session_id)
    assert row["type"] == "error_traceback"
    assert row["payload"]["error"] == "ZeroDivisionError: division by zero"
    assert "1 / 0" in row["payload"]["traceback"]
    assert service.changes(session_id)["is_successful"] is False
    assert service.changes(session_id)["is_successful_reason"] == "ZeroDivisionError: division by zero"


# Decorated functions


def test_calls_nest_with_arguments_and_results(service: Collector, session_id: str) -> None:
    """Defaults are among the arguments, self is not; the parent is the calling function."""

    class Desk:
        @lai.event(tags=["t"], metadata={"m": 1})
        def answer(self, question: str, *extra: int, top: int = 3, **more: Any) -> dict[str, Any]:
            return {"n": leaf(top)}

    assert Desk().answer("q", 1, deep=True) == {"n": 4}
    rows = arrived(service, session_id)
    assert tree(rows) == [("answer", ""), ("leaf", "answer")]
    outer = next(row for row in rows if row["payload"]["function_name"] == "answer")
    assert outer["payload"]["arguments"] == {"question": "q", "extra": [1], "top": 3, "more": {"deep": True}}
    assert outer["payload"]["return_value"] == {"n": 4}
    assert (outer["tags"], outer["metadata"], outer["type"]) == (["t"], {"m": 1}, "function_call")
    assert outer["duration"] >= 0


def test_values_are_those_of_the_moment(service: Collector, session_id: str) -> None:
    """What a function changes later does not show in its arguments."""

    @lai.event()
    def change(rows: list[int]) -> list[int]:
        rows.append(2)
        return rows

    result = change([1])
    result.append(3)
    (row,) = arrived(service, session_id)
    assert (row["payload"]["arguments"], row["payload"]["return_value"]) == ({"rows": [1]}, [1, 2])


def test_iterators_and_generators_stay_intact(service: Collector, session_id: str) -> None:
    """Nothing is consumed, and a generator's event lasts until its end; its steps are inside, its caller is not."""

    @lai.event()
    def passing(rows: Iterator[int]) -> Iterator[int]:
        return rows

    @lai.event()
    def counting(n: int) -> Iterator[int]:
        got = None
        for number in range(n):
            leaf(number)
            got = yield (got or number)
        return "end"  # type: ignore[return-value]

    assert list(passing(iter([1, 2]))) == [1, 2]
    assert inspect.isgeneratorfunction(counting)
    steps = counting(3)
    assert next(steps) == 0
    leaf(99)
    assert steps.send("sent") == "sent"
    assert next(steps) == 2
    with pytest.raises(StopIteration, match="end"):
        next(steps)
    rows = arrived(service, session_id)
    pairs = tree(rows)
    assert pairs.count(("leaf", "counting")) == 3
    assert pairs.count(("leaf", "")) == 1
    assert ("counting", "") in pairs


async def test_asynchronous_generators_stay_intact(service: Collector) -> None:
    """Also when they are left early or something is thrown into them."""

    @lai.event()
    async def counting() -> AsyncIterator[int]:
        try:
            for number in range(3):
                leaf(number)
                yield number
        finally:
            leaf(77)

    async with lai.session_async(base_url=service.base_url, **KEY) as session_id:
        assert inspect.isasyncgenfunction(counting)
        assert [number async for number in counting()] == [0, 1, 2]
        early = counting()
        assert await anext(early) == 0
        await early.aclose()
        thrown = counting()
        await anext(thrown)
        with pytest.raises(KeyError):
            await thrown.athrow(KeyError("k"))
    rows = await asyncio.to_thread(arrived, service, session_id)
    assert [name for name, _ in tree(rows)].count("counting") == 3
    assert sum(row["payload"].get("arguments") == {"x": 77} for row in rows) == 3


def test_exceptions_pass_and_are_recorded_once(service: Collector, session_id: str) -> None:
    """One traceback below the innermost call; each call it leaves has the error."""

    @lai.event()
    def inner() -> None:
        raise ValueError("bad")

    @lai.event()
    def outer() -> None:
        inner()

    with pytest.raises(ValueError, match="bad"):
        outer()
    rows = arrived(service, session_id)
    assert tree(rows) == [("error_traceback", "inner"), ("inner", "outer"), ("outer", "")]
    assert [row["payload"]["error"] for row in rows] == ["ValueError: bad"] * 3


async def test_cancelled_calls_are_not_successes(service: Collector) -> None:
    """The event has the cancellation as its error."""
    started = asyncio.Event()

    @lai.event()
    async def waiting() -> None:
        started.set()
        await asyncio.Event().wait()

    async with lai.session_async(base_url=service.base_url, **KEY) as session_id:
        task = asyncio.create_task(waiting())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    (row,) = await asyncio.to_thread(arrived, service, session_id)
    assert row["payload"]["error"] == "CancelledError"


def test_threads_and_pools(service: Collector, session_id: str) -> None:
    """A function in a context knows session and parent; one without a context knows the only open session."""

    @lai.event()
    def fan_out() -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lai.in_context(leaf), range(8)))
            pool.submit(leaf).result()

    fan_out()
    pairs = tree(arrived(service, session_id))
    assert pairs.count(("leaf", "fan_out")) == 8
    assert pairs.count(("leaf", "")) == 1


def test_odd_values_never_break_a_call(service: Collector, session_id: str) -> None:
    """Circles, values that cannot be shown, keys that are not texts, halves of surrogate pairs, NaN."""

    class Rude:
        def __repr__(self) -> str:
            raise RuntimeError

    circle: list[Any] = []
    circle.append(circle)
    odd = [circle, Rude(), {(1, 2): {3}}, "\ud800", float("nan"), b"bytes", object, leaf, 10**400, ValueError("v")]
    for value in odd:
        leaf_of_any(value)
    rows = arrived(service, session_id)
    assert len(rows) == len(odd)
    values = [row["payload"]["arguments"]["value"] for row in rows]
    assert values[:6] == [["<circular>"], "<Rude>", {"(1, 2)": [3]}, "?", "nan", "<bytes: 5 bytes>"]
    assert values[-1] == "ValueError: v"


@lai.event(capture_result=False)
def leaf_of_any(value: Any) -> Any:
    return value


def test_without_a_session_functions_run_as_they_are(service: Collector) -> None:
    """Nothing is recorded, nothing is sent, and ids are still made."""
    assert contextvars.copy_context().run(leaf, 2) == 3
    opened = lai.start_event(details="x")
    opened.end()
    assert not opened.is_recording
    assert len(lai.create_event(details="x")) == 36
    assert service.requests == []


# Events


def test_events_are_created_at_once(service: Collector, session_id: str) -> None:
    """The type is chosen from the fields, aliases are known, times are the caller's."""
    moment = "2026-02-01T10:00:00+00:00"
    lai.create_event(occurred_at=moment, duration=1.5, prompt="Hi", response="Yo", model="m", input_tokens=3)
    parent = lai.create_event("function_call", function_name="f", args={"a": 1}, result=2)
    lai.create_event("my_kind", parent_event_id=parent, anything=1)
    first, second, third = arrived(service, session_id)
    assert (first["type"], first["occurred_at"], first["duration"]) == ("llm_generation", moment, 1.5)
    assert first["payload"]["request"]["messages"] == [{"role": "user", "content": "Hi"}]
    assert first["payload"]["response"] == {"output": "Yo"}
    assert second["payload"] == {"function_name": "f", "arguments": {"a": 1}, "return_value": 2}
    assert "duration" not in second
    assert (third["type"], third["payload"], third["client_parent_event_id"]) == ("my_kind", {"anything": 1}, parent)
    with pytest.raises(ValidationError, match="occurred_at"):
        lai.create_event(occurred_at="noon")
    with pytest.raises(ValidationError, match="tags"):
        lai.create_event(tags="one")


def test_events_are_opened_and_finished_elsewhere(service: Collector, session_id: str) -> None:
    """With ids and parents of the caller's, in another thread; a second end does nothing."""
    opened = lai.start_event(
        "llm_generation", event_id="run-1", parent_event_id=None, model="m", messages="q", started_at=10**18
    )

    def finish() -> None:
        opened.end(output="a", usage_of_mine=1, ended_at=10**18 + 5 * 10**8)
        opened.end(output="b")

    thread = threading.Thread(target=finish)
    thread.start()
    thread.join()
    child = lai.start_event("function_call", parent_event_id="run-1", function_name="t")
    with child:
        leaf()
    rows = arrived(service, session_id)
    assert tree(rows) == [("leaf", "t"), ("llm_generation", ""), ("t", "llm_generation")]
    assert rows[0]["duration"] == 0.5
    assert rows[0]["payload"]["response"] == {"output": "a"}
    assert rows[0]["payload"]["misc"] == {"usage_of_mine": 1}


def test_masking_runs_before_anything_leaves(service: Collector) -> None:
    """Every text of events, of tasks and reasons; keys stay, and sessions begun later are masked, too."""
    options = {"base_url": service.base_url, **KEY}

    def mask(text: str) -> str:
        if "explode" in text:
            raise RuntimeError
        return text.replace("Mira", "[NAME]")

    try:
        with lai.session(task="For Mira", masking_function=mask, **options) as first:
            lai.create_event(details={"Mira": "Mira"}, metadata={"who": "Mira"})
            lai.update_session(session_eval_reason="Mira")
            leaf_of_any("explode Mira")
        with pytest.raises(ValueError, match="Mira"), lai.session(**options):
            raise ValueError("Mira")
        arrived(service, first)
    finally:
        lai.end_session(session_id=lai.init(masking_function=str, **options))  # for later tests
    sent = str([request.body for request in service.requests])
    assert sent.replace("'Mira':", "").count("Mira") == 0
    assert "[masked: the masking function failed]" in sent


def test_large_payloads_are_previews_and_uploads(service: Collector, session_id: str) -> None:
    """As the wire has it, in the background."""
    lai.create_event("function_call", function_name="f", arguments={"text": "x" * 100_000})
    (row,) = arrived(service, session_id)
    assert row["payload"] == {"function_name": "f", "arguments": {"text": "x" * 200}}
    uploads = [sent for sent in service.requests if sent.path.startswith("/blob/")]
    assert uploads[0].body["arguments"] == {"text": "x" * 100_000}


def test_the_service_may_name_a_session_otherwise(service: Collector) -> None:
    """Its id is used from then on."""
    service.answers["/initsession"] = {"session_id": "theirs"}
    with lai.session(base_url=service.base_url, **KEY) as session_id:
        leaf()
    assert lai.flush(20)
    assert session_id != "theirs"
    assert len(service.events("theirs")) == 1
    assert service.changes("theirs") == {"is_finished": True}


def test_a_refused_key_is_an_error_of_init(service: Collector) -> None:
    """It is not swallowed."""
    service.refusals = [("/initsession", 401, {})]
    with pytest.raises(lai.errors.APIKeyVerificationError):
        lai.init("x", base_url=service.base_url, **KEY)


def test_a_busy_service_loses_nothing(service: Collector, caplog: pytest.LogCaptureFixture) -> None:
    """Not the session, not an event; refused events are counted, not raised."""
    service.refusals = [("/initsession", 503, {}), *[("/events", 429, {"Retry-After": "0"})] * 3, ("/events", 400, {})]
    before = lai.statistics()
    with caplog.at_level(logging.CRITICAL), lai.session(base_url=service.base_url, **KEY) as session_id:
        for _ in range(10):
            leaf()
    arrived(service, session_id)
    after = lai.statistics()
    assert (after.delivered - before.delivered, after.refused - before.refused) == (9, 1)
    assert service.changes(session_id) == {"is_finished": True}


def test_flush_says_whether_all_was_sent(service: Collector, session_id: str) -> None:
    """It gives up in time, and what waits is sent later."""
    service.held.clear()
    leaf()
    assert not lai.flush(0.05)
    assert lai.statistics().pending == 1
    service.held.set()
    assert len(arrived(service, session_id)) == 1


# Guests in a program


def test_nothing_of_the_program_is_replaced(service: Collector) -> None:
    """No global tracer provider, signal handler, hook, or handler of the root logger."""
    before = (
        trace.get_tracer_provider(),
        [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)],
        sys.excepthook,
        threading.excepthook,
        list(logging.getLogger().handlers),
        logging.getLogger().level,
    )
    with lai.session(base_url=service.base_url, **KEY):
        leaf()
    assert before == (
        trace.get_tracer_provider(),
        [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)],
        sys.excepthook,
        threading.excepthook,
        list(logging.getLogger().handlers),
        logging.getLogger().level,
    )


def test_spans_of_other_libraries_are_events(service: Collector, session_id: str) -> None:
    """Through our provider or one of the program's; parents are right in both directions."""
    own = TracerProvider(shutdown_on_exit=False)
    own.add_span_processor(lai.span_processor())
    for provider in (lai.tracer_provider(), own):
        tracer = provider.get_tracer("library")

        @lai.event()
        def work(tracer: trace.Tracer = tracer) -> None:
            with tracer.start_as_current_span("chat m", attributes={"gen_ai.operation.name": "chat"}):
                with tracer.start_as_current_span("run", attributes={"gen_ai.operation.name": "execute_tool"}):
                    leaf()

        work()
    pairs = tree(arrived(service, session_id))
    expected = [("leaf", "run"), ("llm_generation", "work"), ("run", "llm_generation"), ("work", "")]
    assert pairs == sorted(expected * 2)
