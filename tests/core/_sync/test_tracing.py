# Generated from tests/core/_async/test_tracing.py by `make sync`; edit that file.
"""OpenTelemetry spans of runs: their names, content, parents and ends, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from lumnisai_core import Client
from lumnisai_core.exceptions import AuthenticationError, NotFoundError, RunCancelledError, RunFailedError
from lumnisai_core.local import LocalLumnis, Script, Step
from tests.conftest import Serve
from tests.servers import Canned, EndlessEngine, RequestEngine, ScriptByText, canned_server
from tests.writing import WritingEngine

SEARCH = {"name": "web_search", "args": {"query": "tides"}, "output_text": "two pages"}
READ = {"name": "read", "args": {}}
WORK = Script([Step("Starting."), Step("Reading.", tool_calls=[SEARCH, READ]), Step("Writing.")], output_text="Noon.")

CREATED: dict[str, Any] = {"response_id": "r-1", "thread_id": "t-1", "status": "queued"}
ENDED = {**CREATED, "status": "succeeded", "output_text": "Noon."}


class Traces:
    """The spans of a test, in the order in which they ended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self._exporter = InMemorySpanExporter()
        self.set(TracerProvider())

    def set(self, provider: TracerProvider) -> TracerProvider:
        """Make a provider the global one, which records here."""
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._patch.setattr("opentelemetry.trace._TRACER_PROVIDER", provider)
        return provider

    def all(self) -> list[ReadableSpan]:
        """Return all spans."""
        return list(self._exporter.get_finished_spans())

    def run(self) -> ReadableSpan:
        """Return the one span of a run."""
        (span,) = (span for span in self.all() if span.kind is trace.SpanKind.CLIENT)
        return span


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Traces:
    """A tracer provider for the test, without content."""
    monkeypatch.delenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", raising=False)
    return Traces(monkeypatch)


@pytest.fixture
def with_content(monkeypatch: pytest.MonkeyPatch, traces: Traces) -> None:
    """Texts are recorded."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "span_only")


def made(local: LocalLumnis) -> Client:
    """Return a client of a service."""
    return Client(local.api_key, base_url=local.base_url, user_id="u")


def attributes(span: ReadableSpan) -> Mapping[str, Any]:
    """Return the attributes of a span."""
    return span.attributes or {}


def test_a_run_is_a_client_span_with_the_names_of_the_conventions(serve: Serve, traces: Traces) -> None:
    """Operation, provider, server, ids, end; the settings of the run where they are known."""
    local = serve(RequestEngine())
    with made(local) as client:
        response = client.invoke(
            "When is high tide?",
            specialized_agent="people_search",
            model_overrides={"smart_model": "openai:gpt-4o"},
            response_format={"type": "object"},
        )
    span = traces.run()
    assert span.name == "invoke_agent people_search"
    assert attributes(span) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "lumnis",
        "gen_ai.agent.name": "people_search",
        "gen_ai.request.model": "openai:gpt-4o",
        "gen_ai.output.type": "json",
        "gen_ai.conversation.id": response.thread_id,
        "gen_ai.response.id": response.response_id,
        "gen_ai.response.finish_reasons": ("stop",),
        "server.address": "127.0.0.1",
        "server.port": int(local.base_url.rpartition(":")[2]),
        "lumnis.run.part": "whole",
    }
    assert span.status.status_code is trace.StatusCode.UNSET


def test_an_answer_that_grows_is_no_event_and_tokens_are_attributes(serve: Serve, traces: Traces) -> None:
    """An entry is one event, however often its text grows; the model and the tokens are in the span of the run."""
    engine = WritingEngine()
    with made(serve(engine, poll="on-change")) as client:
        for update in client.invoke("When?", stream=True):
            if update.delta:
                engine.go.set()
    span = traces.run()
    found = {name: attributes(span)[name] for name in attributes(span) if "usage" in name or "response.model" in name}
    assert found == {
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.response.model": "tide-1",
    }
    indexes = [(event.attributes or {}).get("lumnis.progress.index") for event in span.events]
    assert [index for index in indexes if index is not None] == [0, 1]


def test_progress_is_events_and_tool_calls_are_children(serve: Serve, traces: Traces) -> None:
    """Each step once, each call once, within the time of the run; none of their texts."""
    with made(serve(WORK)) as client:
        client.invoke("When is high tide?")
    run = traces.run()
    events = [event.attributes or {} for event in run.events if "lumnis.progress.index" in (event.attributes or {})]
    assert [event["lumnis.progress.index"] for event in events] == [0, 1, 2]
    assert {"lumnis.progress.state", "lumnis.progress.index"} == set().union(*events)
    tools = [span for span in traces.all() if span is not run]
    assert [tool.name for tool in tools] == ["execute_tool web_search", "execute_tool read"]
    for tool in tools:
        assert tool.parent is not None
        assert tool.parent.span_id == run.context.span_id
        assert set(attributes(tool)) == {"gen_ai.operation.name", "gen_ai.tool.name", "gen_ai.tool.type"}
        times = [run.start_time, tool.start_time, tool.end_time, run.end_time]
        assert times == sorted(times, key=lambda time: time or 0)


def test_an_entry_that_is_reported_again_has_no_second_tool_call(serve: Serve, traces: Traces) -> None:
    """The result of a call may arrive after the call, and further calls of the same entry."""
    entry = {"state": "processing", "message": "Reading.", "tool_calls": [READ]}
    later = {**entry, "tool_calls": [{**READ, "output_text": "done"}, SEARCH]}
    answers = [
        CREATED,
        {**CREATED, "progress": [entry]},
        {**CREATED, "progress": [later]},
        {**ENDED, "progress": [later]},
    ]
    with canned_server([Canned(body=answer) for answer in answers]) as server:
        with Client("k", base_url=server.base_url, user_id="u") as client:
            client.invoke("Hi", on_progress=str)
    assert [span.name for span in traces.all()[:-1]] == ["execute_tool read", "execute_tool web_search"]


def test_texts_are_recorded_if_the_program_asks_for_them(serve: Serve, traces: Traces, with_content: None) -> None:
    """Messages by role with instructions apart, progress, arguments, results and the answer."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "When is high tide?"}]
    with made(serve(WORK)) as client:
        client.invoke(messages)
    run, tool = traces.run(), traces.all()[0]
    found = {name: json.loads(str(value)) for name, value in attributes(run).items() if str(value).startswith("[")}
    assert found == {
        "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
        "gen_ai.input.messages": [
            {"role": "user", "parts": [{"type": "text", "content": "When is high tide?"}]},
        ],
        "gen_ai.output.messages": [
            {"role": "assistant", "parts": [{"type": "text", "content": "Noon."}], "finish_reason": "stop"}
        ],
    }
    assert "Reading." in [(event.attributes or {}).get("lumnis.progress.message") for event in run.events]
    assert attributes(tool)["gen_ai.tool.call.arguments"] == '{"query":"tides"}'
    assert attributes(tool)["gen_ai.tool.call.result"] == "two pages"


def test_no_text_of_a_run_is_recorded_by_default(serve: Serve, traces: Traces) -> None:
    """Neither question nor answer, progress, arguments or the reason of a failure."""
    script = Script([Step("secret-step", tool_calls=[{"name": "t", "args": {"a": "secret-argument"}}])])
    failing = Script(error=("secret-code", "secret-reason"))
    with made(serve(ScriptByText({"secret-failing": failing}, script))) as client:
        client.invoke("secret-question")
        with pytest.raises(RunFailedError):
            client.invoke("secret-failing")
    assert len(traces.all()) == 3
    assert "secret" not in " ".join(span.to_json() for span in traces.all())


def test_a_failed_run_is_an_error(serve: Serve, traces: Traces) -> None:
    """Its span has the class of the error and how the run ended."""
    with made(serve(Script(error=("E_TIDE", "No tides.")))) as client:
        with pytest.raises(RunFailedError):
            client.invoke("Hi")
    span = traces.run()
    assert span.status.status_code is trace.StatusCode.ERROR
    assert attributes(span)["error.type"] == "RunFailedError"
    assert attributes(span)["gen_ai.response.finish_reasons"] == ("error",)


def test_a_refused_request_is_an_error_with_its_status(serve: Serve, traces: Traces) -> None:
    """Whether a run is created, invoked or waited for."""
    local = serve(WORK)
    with Client("wrong", base_url=local.base_url, user_id="u") as client:
        with pytest.raises(AuthenticationError):
            client.invoke("Hi")
        with pytest.raises(AuthenticationError):
            client.responses.create("Hi")
    with made(local) as client:
        with pytest.raises(NotFoundError):
            client.responses.wait("3f6f0d2b-7a11-4c7c-9c0a-5b0c1a0e6d0b")
    found = [attributes(span) for span in traces.all()]
    assert [(one["error.type"], one["http.response.status_code"]) for one in found] == [
        ("AuthenticationError", 401),
        ("AuthenticationError", 401),
        ("NotFoundError", 404),
    ]
    assert found[2]["gen_ai.response.id"] == "3f6f0d2b-7a11-4c7c-9c0a-5b0c1a0e6d0b"


def test_a_stream_that_is_left_early_ends_its_span(serve: Serve, traces: Traces) -> None:
    """As cancelled, and not as an error if the last update had been read."""
    with made(serve(EndlessEngine())) as client:
        with client.invoke("Hi", stream=True) as stream:
            for update in stream:
                if update.message:
                    break
    assert attributes(traces.run())["error.type"] == "cancelled"
    assert traces.run().status.status_code is trace.StatusCode.ERROR


def test_a_stream_that_is_left_after_its_last_update_has_no_error(serve: Serve, traces: Traces) -> None:
    """Leaving the loop there is as good as reading on."""
    with made(serve(WORK)) as client:
        with client.invoke("Hi", stream=True) as stream:
            for update in stream:
                if update.is_last:
                    break
    assert "error.type" not in attributes(traces.run())


def test_create_and_wait_are_two_spans_of_one_run(serve: Serve, traces: Traces) -> None:
    """Each says which part of the run it covers."""
    with made(serve(WORK)) as client:
        created = client.responses.create("Hi")
        client.responses.wait(created.response_id)
        with client.responses.following(created.response_id) as stream:
            for _ in stream:
                pass
    found = [attributes(span) for span in traces.all() if span.kind is trace.SpanKind.CLIENT]
    assert [one["lumnis.run.part"] for one in found] == ["create", "follow", "follow"]
    assert {one["gen_ai.response.id"] for one in found} == {created.response_id}
    assert ["gen_ai.response.finish_reasons" in one for one in found] == [False, True, True]


def test_a_cancelled_run_says_so(serve: Serve, traces: Traces) -> None:
    """Cancelled by somebody else, it is an error for those who wait."""
    with made(serve(EndlessEngine())) as client:
        created = client.responses.create("Hi")
        client.responses.cancel(created.response_id)
        with pytest.raises(RunCancelledError):
            client.responses.wait(created.response_id)
    span = attributes(traces.all()[-1])
    assert (span["error.type"], span["gen_ai.response.finish_reasons"]) == ("RunCancelledError", ("cancelled",))


def test_runs_of_a_map_are_children_of_the_span_around_it(serve: Serve, traces: Traces) -> None:
    """Although each is in a task or thread of its own; the caller's span is the current one again afterwards."""
    tracer = trace.get_tracer("test")
    with made(serve(ScriptByText({}, Script(output_text="x")))) as client:
        with tracer.start_as_current_span("job") as job:
            for outcome in client.responses.map(["a", "b", "c"]):
                assert outcome.error is None
                assert trace.get_current_span() is job
    runs = [span for span in traces.all() if span.kind is trace.SpanKind.CLIENT]
    assert len(runs) == 3
    assert {span.parent.span_id for span in runs if span.parent} == {job.get_span_context().span_id}
    assert len(runs) == len({span.context.span_id for span in runs})


def test_requests_carry_the_context(traces: Traces) -> None:
    """The create and every poll name the run's span as their parent."""
    with canned_server([Canned(body=CREATED), Canned(body=CREATED), Canned(body=ENDED)]) as server:
        with Client("k", base_url=server.base_url, user_id="u") as client:
            client.invoke("Hi")
    context = traces.run().context
    expected = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    assert [request.headers.get("traceparent") for request in server.received] == [expected] * 3
    assert context.trace_flags.sampled


def test_a_run_that_is_not_sampled_carries_that_on(traces: Traces) -> None:
    """Nothing is recorded, here or at the service."""
    traces.set(TracerProvider(sampler=ALWAYS_OFF))
    with canned_server([Canned(body=CREATED), Canned(body=ENDED)]) as server:
        with Client("k", base_url=server.base_url, user_id="u") as client:
            assert (client.invoke("Hi")).output_text == "Noon."
    assert traces.all() == []
    flags = [int(request.headers["traceparent"][-2:], 16) for request in server.received]
    assert [flag & trace.TraceFlags.SAMPLED for flag in flags] == [0, 0]


def test_without_a_provider_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry being installed and imported changes no request."""
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", None)
    with canned_server([Canned(body=CREATED), Canned(body=ENDED)]) as server:
        with Client("k", base_url=server.base_url, user_id="u") as client:
            client.invoke("Hi")
    assert not any("traceparent" in request.headers for request in server.received)


class Breaking(SpanProcessor):
    """Fails at one end of a span."""

    def __init__(self, place: str) -> None:
        self._place = place

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        if self._place == "start":
            raise RuntimeError("broken processor")

    def on_end(self, span: ReadableSpan) -> None:
        if self._place == "end":
            raise RuntimeError("broken processor")


@pytest.mark.parametrize("place", ["start", "end"])
def test_a_broken_processor_does_not_fail_a_run(
    serve: Serve, traces: Traces, caplog: pytest.LogCaptureFixture, place: str
) -> None:
    """Its error is logged."""
    traces.set(TracerProvider()).add_span_processor(Breaking(place))
    with made(serve(WORK)) as client:
        assert (client.invoke("Hi")).output_text == "Noon."
    assert "broken processor" in caplog.text
