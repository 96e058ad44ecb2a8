from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.core.llms import ChatMessage
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.event_handlers import BaseEventHandler

from lumnisai_core import Client
from lumnisai_core.local import Engine, LocalLumnis, RunReport, RunRequest, RunResult, Script, ScriptedEngine, Step
from lumnisai_integrations.llama_index import LumnisLLM

HELLO = [ChatMessage(content="Hello")]
ANSWER = "High tide is at noon."
#: Reports two steps, then works until it is stopped.
ENDLESS = Script(steps=[Step("Reading."), Step("Searching.")], after=600.0)


class Stage(Engine):
    """The engine of the service under test: plays what a test asks for and remembers the requests."""

    def __init__(self) -> None:
        self.requests: list[RunRequest] = []
        self.play(Script(output_text=ANSWER))

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        self.requests.append(request)
        return await self._player.run(request, report)

    def play(self, *scripts: Script) -> None:
        """Forget everything; the next runs follow these scripts in order, then repeat the last one."""
        self._player, self.requests = ScriptedEngine(scripts), []

    def answer(self, choose: Callable[[RunRequest], Script]) -> None:
        """Forget everything; each next run follows the script that is chosen for it."""
        self._player, self.requests = ScriptedEngine(choose), []


class Collector(BaseEventHandler):
    """Keeps every event."""

    seen: list[BaseEvent] = []  # noqa: RUF012 - pydantic copies it for each instance

    @classmethod
    def class_name(cls) -> str:
        return "Collector"

    def handle(self, event: BaseEvent, **_: Any) -> None:
        self.seen.append(event)

    def of(self, kind: str) -> list[Any]:
        return [event for event in self.seen if event.class_name() == kind]


@pytest.fixture(scope="session")
def theatre() -> Iterator[tuple[LocalLumnis, Stage]]:
    stage = Stage()
    with LocalLumnis(engine=stage, poll="on-change") as local:
        yield local, stage


@pytest.fixture
def local(theatre: tuple[LocalLumnis, Stage]) -> LocalLumnis:
    return theatre[0]


@pytest.fixture
def stage(theatre: tuple[LocalLumnis, Stage]) -> Stage:
    theatre[1].play(Script(output_text=ANSWER))
    return theatre[1]


@pytest.fixture
def make(local: LocalLumnis, stage: Stage) -> Iterator[Callable[..., LumnisLLM]]:
    """Makes LLMs on the service and closes them."""
    made: list[LumnisLLM] = []

    def make_llm(**fields: Any) -> LumnisLLM:
        known = {"api_key": local.api_key, "base_url": local.base_url, "user_id": "ada"}
        made.append(LumnisLLM(**{**known, **fields}))
        return made[-1]

    yield make_llm
    for llm in made:
        llm.close()


@pytest.fixture
def llm(make: Callable[..., LumnisLLM]) -> LumnisLLM:
    return make()


@pytest.fixture
def client(local: LocalLumnis) -> Iterator[Client]:
    client = Client(local.api_key, base_url=local.base_url, user_id="ada")
    yield client
    client.close()


@pytest.fixture
def events() -> Iterator[Collector]:
    """Everything that reaches the root dispatcher."""
    yield from _attached(Collector(), "root")


@pytest.fixture
def own_events() -> Iterator[Collector]:
    """Everything this package sends."""
    yield from _attached(Collector(), "lumnisai_integrations.llama_index")


def _attached(handler: Collector, name: str) -> Iterator[Collector]:
    dispatcher = get_dispatcher(name)
    dispatcher.add_event_handler(handler)
    yield handler
    dispatcher.event_handlers.remove(handler)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LUMNISAI_API_KEY", "LUMNISAI_BASE_URL", "LUMNISAI_TENANT_ID"):
        monkeypatch.delenv(name, raising=False)
