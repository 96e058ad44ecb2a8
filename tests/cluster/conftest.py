"""A local Ray for all tests of this folder, and an embedded service with an engine that counts."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest
import ray

from lumnisai_core.local import LocalLumnis, RunReport, RunRequest, RunResult


class Engine:
    """Answers with the question in capitals; "bad" fails, and while the gate is closed, all but "quick" wait."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.seconds = 0.0
        self.now = self.most = 0

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        text = request.input_messages[-1].content
        self.texts.append(text)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            while not self.gate.is_set() and not text.startswith("quick"):  # noqa: ASYNC110 - opened in another thread
                await asyncio.sleep(0.02)
            await asyncio.sleep(self.seconds)
            if text.startswith("bad"):
                raise RuntimeError("No.")
            return RunResult(output_text=text.upper())
        finally:
            self.now -= 1


@pytest.fixture(scope="session")
def _service() -> Iterator[tuple[LocalLumnis, Engine]]:
    engine = Engine()
    with LocalLumnis(engine=engine) as local:
        os.environ["LUMNISAI_API_KEY"], os.environ["LUMNISAI_BASE_URL"] = local.api_key, local.base_url
        yield local, engine


@pytest.fixture
def engine(_service: tuple[LocalLumnis, Engine], monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    local, engine = _service
    monkeypatch.setenv("LUMNISAI_API_KEY", local.api_key)
    monkeypatch.setenv("LUMNISAI_BASE_URL", local.base_url)
    engine.texts.clear()
    engine.seconds, engine.most = 0.0, 0
    yield engine
    engine.gate.set()


@pytest.fixture(scope="session")
def cluster(_service: tuple[LocalLumnis, Engine]) -> Iterator[str]:
    """The address of a local Ray, whose workers see the key in their environment."""
    os.environ["RAY_AUTH_MODE"] = "disabled"
    for left in (2, 1, 0):
        try:
            context = ray.init(
                num_cpus=2,
                include_dashboard=False,
                object_store_memory=200_000_000,
                log_to_driver=False,
                logging_level="warning",
            )
            break
        except Exception:  # a busy machine does not start it within Ray's own 30 seconds
            ray.shutdown()
            if not left:
                raise
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield context.address_info["gcs_address"]
    ray.shutdown()
