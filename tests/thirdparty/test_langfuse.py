"""Langfuse: its callback handler sends one generation for each call of a model to the server that it is set to."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from langchain.agents import create_agent
from langchain_core.runnables import RunnableConfig
from langfuse import Langfuse
from langfuse.langchain import CallbackHandler
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider

from lumnisai_integrations.langchain import ChatLumnis
from tests.servers import Canned, CannedServer, Received, canned_server
from tests.thirdparty.conftest import Play
from tests.thirdparty.moves import Says, call

QUESTION, ANSWER = "When is high tide?", "High tide is at noon."
STATE: Any = {"messages": [("user", QUESTION)]}
SECRET_KEY = "sk-lf-tests"


def look_up(port: str) -> str:
    """Look up the tide table of a port."""
    return f"High tide at {port}: noon."


class Sent:
    """What arrived at the recording server."""

    def __init__(self, server: CannedServer, client: Langfuse) -> None:
        self._server = server
        self._client = client

    def observations(self, kind: str) -> list[dict[str, str]]:
        """Flush, and return the attributes of all observations of a kind, such as ``generation``."""
        self._client.flush()
        found = []
        for request in self._server.received:
            assert request.path == "/api/public/otel/v1/traces"
            message = ExportTraceServiceRequest.FromString(_unpacked(request))
            spans = [span for one in message.resource_spans for scope in one.scope_spans for span in scope.spans]
            for span in spans:
                attributes = {item.key: item.value.string_value for item in span.attributes}
                if attributes.get("langfuse.observation.type") == kind:
                    found.append(attributes)
        return found

    def requests(self) -> str:
        """Return the headers and bodies of all requests."""
        return "\n".join(f"{one.headers} {_unpacked(one)!r}" for one in self._server.received)


def _unpacked(request: Received) -> bytes:
    return gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body


@pytest.fixture
def tracing() -> Iterator[tuple[RunnableConfig, Sent]]:
    """The config that traces a call, and what was sent."""
    public_key = f"pk-lf-{uuid4()}"  # Langfuse keeps one client for each key
    with canned_server([Canned(body={})]) as server:
        client = Langfuse(
            public_key=public_key,
            secret_key=SECRET_KEY,
            base_url=server.base_url,
            tracer_provider=TracerProvider(),  # of its own: the global one stays as it is
        )
        try:
            yield {"callbacks": [CallbackHandler(public_key=public_key)]}, Sent(server, client)
        finally:
            client.shutdown()


CALLS: dict[str, Callable[[ChatLumnis, RunnableConfig], Any]] = {
    "invoke": lambda model, config: model.invoke(QUESTION, config),
    "stream": lambda model, config: list(model.stream(QUESTION, config)),
    "batch": lambda model, config: model.batch([QUESTION], config),
}


@pytest.mark.parametrize("way", CALLS)
def test_a_call_is_one_generation(way: str, play: Play, tracing: tuple[RunnableConfig, Sent]) -> None:
    config, sent = tracing
    stage = play(Says(ANSWER))
    CALLS[way](stage.chat(model="openai:gpt-4.1"), config)
    (generation,) = sent.observations("generation")
    assert QUESTION in generation["langfuse.observation.input"]
    assert ANSWER in generation["langfuse.observation.output"]
    assert generation["langfuse.observation.model.name"] == "openai:gpt-4.1"
    assert stage.local.api_key not in sent.requests()


async def test_calls_of_an_agent_are_generations(play: Play, tracing: tuple[RunnableConfig, Sent]) -> None:
    """Two calls of the model and one of the tool, whose call is in the first one's output."""
    config, sent = tracing
    agent = create_agent(play(call("look_up", port="North Quay"), Says(ANSWER)).chat(), [look_up])
    await agent.ainvoke(STATE, config)
    first, second = sent.observations("generation")
    assert "North Quay" in first["langfuse.observation.output"]
    assert ANSWER in second["langfuse.observation.output"]
    (tool,) = sent.observations("tool")
    assert "noon" in tool["langfuse.observation.output"]


def test_a_failed_call_is_an_error(play: Play, tracing: tuple[RunnableConfig, Sent]) -> None:
    config, sent = tracing
    with pytest.raises(Exception, match="NO_MOVE"):
        play().chat().invoke(QUESTION, config)
    (generation,) = sent.observations("generation")
    assert generation["langfuse.observation.level"] == "ERROR"
    assert "NO_MOVE" in generation["langfuse.observation.status_message"]
