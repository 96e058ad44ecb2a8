"""What Lucidic documents and its own packages break: each promise with the test that proves it here."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import lumnisai_core.lucidic as lai
from tests.core.collector import KEY, Collector, collector
from tests.core.test_lucidic_events import arrived, leaf, tree
from tests.house import ROOT

#: The promise, and its test in another file.
ELSEWHERE = {
    "sessions end at exit": "test_lucidic_exits.test_exit_sends_everything_and_ends_the_session",
    "crashes are captured": "test_lucidic_exits.test_a_crash_is_recorded_and_stays_a_crash",
    "crashes inside a session's block, too": "test_lucidic_events.test_an_exception_that_leaves_a_session_is_recorded",
    "auto_end=False and LUCIDIC_AUTO_END": "test_lucidic_exits.test_sessions_without_auto_end_stay_open",
    "exit neither hangs nor loses events": "test_lucidic_exits.test_a_dead_service_hinders_nothing",
    "telemetry never hurts the program": "test_lucidic_events.test_a_busy_service_loses_nothing",
    "generators are left intact": "test_lucidic_events.test_iterators_and_generators_stay_intact",
    "masking is applied": "test_lucidic_events.test_masking_runs_before_anything_leaves",
    "masking is applied by clients": "_async.test_lucidic.test_masking_is_applied_to_every_text",
    "large events are uploaded": "test_lucidic_events.test_large_payloads_are_previews_and_uploads",
    "large events are uploaded by clients": "_async.test_lucidic.test_large_payloads_are_uploaded",
    "init in a worker thread": "test_lucidic_exits.test_sigterm_is_left_alone_without_request_and_in_threads",
    "a session ends in another task": "test_lucidic_events.test_a_session_may_end_in_another_task",
    "retry settings and Retry-After": "_async.test_lucidic.test_retries_obey_the_service",
    "no signal handler is stolen": "test_lucidic_events.test_nothing_of_the_program_is_replaced",
    "a prompt's cache and variables": "_async.test_lucidic.test_prompts_are_filled_and_cached_as_asked",
    "a wrong key is an error": "test_lucidic_events.test_a_refused_key_is_an_error_of_init",
    "flags: defaults, types, context": "_async.test_lucidic.test_flags_have_defaults_and_types",
    "the User-Agent is ours": "_async.test_lucidic.test_requests_carry_key_agent_and_time",
}


@pytest.mark.parametrize("promise", ELSEWHERE)
def test_promises_have_a_test(promise: str) -> None:
    """The test is where the table says."""
    module, _, name = ELSEWHERE[promise].rpartition(".")
    assert callable(getattr(import_module(f"tests.core.{module}"), name))


@pytest.mark.processes
def test_fire_and_forget_is_bounded_and_not_lost() -> None:
    """Few threads, and flush waits for all of it."""
    program = f"""
import sys, threading
import lumnisai_core.lucidic as lai
lai.init(base_url=sys.argv[1], **{KEY!r})
for i in range(1000):
    lai.create_event(details=i)
assert lai.flush(30)
print(threading.active_count())
"""
    with collector() as service:
        done = _python(program, service)
        assert len(service.events()) == 1000
        assert int(done.stdout) <= 12, done.stderr  # the main thread, a batch worker, ten senders


async def test_calls_do_not_wait_for_the_service() -> None:
    """A decorated call returns although no request is answered."""

    @lai.event()
    async def work() -> int:
        return 1

    with collector() as service:
        async with lai.session_async(base_url=service.base_url, **KEY) as session_id:
            service.held.clear()
            assert await work() == 1
            assert service.events(session_id) == []
            service.held.set()
        assert await asyncio.to_thread(lai.flush, 20)
        assert len(service.events(session_id)) == 1


def test_proxies_of_the_environment_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests to other hosts go to the proxy."""
    with collector() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        with pytest.warns(UserWarning, match="unencrypted"):
            client = lai.Client(base_url="http://lucidic.invalid/api", max_retries=0, **KEY)
        with client:
            client.sessions.create("x")
        assert proxy.requests[0].path.endswith("/api/initsession")


def test_several_clients_do_not_share_anything() -> None:
    """Each session's events go to its own service, with its own key."""
    with collector() as one, collector() as two:
        with lai.session(base_url=one.base_url, api_key="key-one", agent_id="a") as first:
            with lai.session(base_url=two.base_url, api_key="key-two", agent_id="b") as second:
                lai.create_event(details=2)
            lai.create_event(details=1)
        assert lai.flush(20)
        for service, session_id, key, details in ((one, first, "one", 1), (two, second, "two", 2)):
            assert {sent.headers["authorization"] for sent in service.requests} == {f"Api-Key key-{key}"}
            assert [row["payload"] for row in service.events()] == [{"details": details}]
            assert service.changes(session_id) == {"is_finished": True}


def test_a_service_that_hangs_holds_up_no_other(service: Collector) -> None:
    """However many events wait for it."""
    with collector() as hanging:
        with lai.session(base_url=hanging.base_url, **KEY) as waiting:
            hanging.held.clear()
            for number in range(30):
                lai.create_event("generic", details=f"held {number}")
        with lai.session(base_url=service.base_url, **KEY) as passing:
            lai.create_event("generic", details="sent")
        while not service.changes(passing):
            pass
        assert len(service.events(passing)) == 1
        assert not hanging.events(waiting)
        hanging.held.set()
        assert lai.flush(20)
        assert len(hanging.events(waiting)) == 30


def test_the_modules_of_the_front_door_exist() -> None:
    """Every public name can be imported and has a docstring."""
    for name in lai.__all__:
        assert getattr(lai, name).__doc__, name


@pytest.fixture
def service() -> Any:
    with collector() as known:
        yield known


def test_a_text_as_prompt_is_a_message(service: Collector) -> None:
    """And None is no error."""
    with lai.session(base_url=service.base_url, **KEY) as session_id:
        lai.create_event("llm_generation", prompt="text", error=None)
    assert lai.flush(20)
    (row,) = service.events(session_id)
    assert row["payload"]["request"]["messages"] == [{"role": "user", "content": "text"}]
    assert "error" not in row["payload"]


def test_an_error_has_its_traceback_outside_of_its_except_block(service: Collector) -> None:
    """The exception carries it; one that was never raised has its text."""
    try:
        _ = dict[str, int]()["key"]
    except KeyError as error:
        caught = error
    with lai.session(base_url=service.base_url, **KEY) as session_id:
        lai.create_error_event(caught)
        lai.create_error_event(ValueError("never raised"))
        lai.create_error_event("text", traceback="mine")
    assert lai.flush(20)
    raised, never, text = (row["payload"] for row in service.events(session_id))
    assert "dict[str, int]()" in raised["traceback"]
    assert never["traceback"].strip() == "ValueError: never raised"
    assert (text["error"], text["traceback"]) == ("text", "mine")
    assert "session_id" not in raised
    assert "misc" not in raised


@pytest.mark.processes
def test_the_client_is_light() -> None:
    """It brings no framework, no provider and no image library, and imports no SDK of OpenTelemetry by itself."""
    program = """
import sys
import lumnisai_core.lucidic as lai
lai.Client("k", "a", base_url=sys.argv[1])
heavy = {"langchain", "langchain_core", "openai", "anthropic", "boto3", "PIL", "opentelemetry"}
print(sorted(heavy & {name.partition(".")[0] for name in sys.modules}))
"""
    with collector() as service:
        assert _python(program, service).stdout == "[]\n"


@pytest.mark.processes
def test_a_quick_start_runs(service: Collector) -> None:
    """As the product's page has it, without its provider calls."""
    program = """
import os, sys
os.environ.update(LUCIDIC_API_KEY="k", LUCIDIC_AGENT_ID="a", LUCIDIC_BASE_URL=sys.argv[1])
import lumnisai_core.lucidic as lai

session_id = lai.init(session_name="My AI Assistant")
lai.update_session(task="Resolved billing issue", session_eval=0.95, is_successful=True)
event_id = lai.create_event(
    type="function_call", function_name="process_data", arguments={"input": "data"},
    return_value={"result": "success"}, duration=1.5,
)
lai.end_session(is_successful=True, session_eval=0.9)

sid = lai.init(session_name="long-running", auto_end=False)
with lai.bind_session(sid):
    lai.create_event(details="bound")
lai.end_session()

def process_request():
    return lai.get_session_id()

assert lai.run_session(process_request, init_params={"session_name": "wrapped"}) not in (sid, session_id)
assert lai.run_in_session(sid, process_request) == sid
lai.flush(timeout_seconds=2.0)
"""
    done = _python(program, service)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(service.bodies("/initsession")) == 3
    assert sum(row.get("is_finished", False) for row in service.bodies("/updatesession")) == 3


def test_spans_of_other_libraries_are_events(service: Collector) -> None:
    """Through our provider or one of the program's; parents are right in both directions."""
    session_id = lai.init("spans", base_url=service.base_url, **KEY)
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
    lai.end_session()
    assert lai.flush(20)


def _python(program: str, service: Collector) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, service.base_url],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
