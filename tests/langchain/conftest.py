"""Chat models that speak to the embedded service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler

from lumnisai_core import Client
from lumnisai_core.exceptions import RunCancelledError
from lumnisai_core.local import LocalLumnis, Script, Step
from lumnisai_integrations.langchain import ChatLumnis
from tests.conftest import Serve

USER = "user-123"
Connect = Callable[..., ChatLumnis]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make a chat model for a service: ``connect(service, thread_id=...)``; its connections end with the test."""
    made: list[ChatLumnis] = []

    def make(service: LocalLumnis, **fields: Any) -> ChatLumnis:
        arguments: dict[str, Any] = {"api_key": service.api_key, "base_url": service.base_url, "user_id": USER} | fields
        made.append(ChatLumnis(**arguments))
        return made[-1]

    yield make
    for model in made:
        model.close()


@pytest.fixture
def model(local: LocalLumnis, connect: Connect) -> ChatLumnis:
    """A chat model of the shared service."""
    return connect(local)


@pytest.fixture
def tides(serve: Serve) -> LocalLumnis:
    """A service whose runs report three steps, one of which grows, and then answer."""
    search = {"name": "web_search", "args": {"query": "tides"}}
    steps = [
        Step("Starting."),
        Step("Reading the tide tables.", state="researching", tool_calls=[search]),
        Step("Starting."),
    ]
    return serve(Script(steps=steps, output_text="High at noon.", title="Tides"), poll="on-change")


@pytest.fixture
def endless(serve: Serve) -> LocalLumnis:
    """A service whose runs report one step and then work for a very long time."""
    return serve(Script(steps=[Step("Working.")], after=3600, output_text="Too late."), poll="on-change")


def assert_cancelled(service: LocalLumnis, response_id: str) -> None:
    """The service says that this run was cancelled; it is asked until it does."""
    with (
        Client(service.api_key, base_url=service.base_url, user_id=USER) as client,
        pytest.raises(RunCancelledError),
    ):
        client.responses.wait(response_id, run_timeout=10)


class Recorder(BaseCallbackHandler):
    """Remembers custom events, with the id of their run, and the ids of model runs."""

    def __init__(self) -> None:
        self.events: list[tuple[UUID, dict[str, Any]]] = []
        self.model_runs: list[UUID] = []
        self.errors: list[BaseException] = []

    def on_chat_model_start(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self.model_runs.append(run_id)

    def on_llm_error(self, error: BaseException, **_: Any) -> None:
        self.errors.append(error)

    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **_: Any) -> None:
        assert name == "lumnis_progress"
        self.events.append((run_id, data))

    @property
    def messages(self) -> list[str]:
        return [data["message"] for _, data in self.events if data["message"] and data["state"] != "tool_update"]


class AsyncRecorder(AsyncCallbackHandler):
    """Remembers messages of custom events, as a coroutine."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    async def on_custom_event(self, name: str, data: Any, **_: Any) -> None:
        if data["message"] and data["state"] != "tool_update":
            self.messages.append(data["message"])
