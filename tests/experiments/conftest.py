"""An embedded service whose engine reads the prompt, for the tests of experiments."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis, RunReport, RunRequest, RunResult


class Engine:
    """Answers with the question in capitals, or with a grade where one is asked for; "bad" fails.

    While the gate is closed, runs wait, but for those whose prompt has the word "quick".
    """

    def __init__(self) -> None:
        self.requests: list[RunRequest] = []
        self.arrived = threading.Semaphore(0)
        self.gate = threading.Event()

    @property
    def texts(self) -> list[str]:
        return sorted(request.input_messages[-1].content for request in self.requests)

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        text = request.input_messages[-1].content
        self.requests.append(request)
        self.arrived.release()
        if not self.gate.is_set() and "quick" not in text:
            await asyncio.to_thread(self.gate.wait)
        if "bad" in text:
            raise RuntimeError("No.")
        if request.response_format is not None:
            grade: dict[str, Any] = {"reason": "It is loud.", "grade": 5 if "HIGH" in text else 2}
            return RunResult(structured_response=grade)
        return RunResult(text.upper(), usage={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}, model="loud")


@pytest.fixture(scope="session")
def the_engine() -> Engine:
    return Engine()


@pytest.fixture(scope="session")
def service(the_engine: Engine) -> Iterator[LocalLumnis]:
    with LocalLumnis(engine=the_engine) as local:
        yield local


@pytest.fixture
def engine(the_engine: Engine, service: LocalLumnis) -> Iterator[Engine]:
    the_engine.requests.clear()
    the_engine.arrived = threading.Semaphore(0)
    the_engine.gate.set()
    yield the_engine
    the_engine.gate.set()


@pytest.fixture
def client(service: LocalLumnis, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A blocking client with a user of its own."""
    with Client(service.api_key, base_url=service.base_url, user_id=request.node.name[:60]) as made:
        yield made
