"""The FastAPI application of the cookbook, in a server of its own: events, errors, and a tab that is closed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis, OfflineEngine, Script
from tests.conftest import Serve
from tests.cookbook import pages
from tests.servers import EndlessEngine

pytestmark = pytest.mark.timeout(300)  # processes of their own, which take their time on a busy machine

QUESTION = {"question": "Neap tides are small. Which tides are small?"}


@contextmanager
def served(local: LocalLumnis, folder: Path) -> Iterator[httpx.Client]:
    """Run ``uvicorn app:app`` as the page says, but on a free port."""
    pages.save("fastapi", folder)
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", "0"]
    environment = {**os.environ, **local.environment()}
    server = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        running = (re.search(r"running on (\S+)", line) for line in iter(server.stderr.readline, ""))
        address = next(found[1] for found in running if found)
        with httpx.Client(base_url=address) as browser:
            yield browser
    finally:
        server.terminate()
        server.communicate(timeout=30)


def test_steps_and_answer_are_events(serve: Serve, tmp_path: Path) -> None:
    """As the page shows them; the page itself is there, too, and a question without words is refused."""
    with served(serve(OfflineEngine(step_delay=0)), tmp_path) as browser:
        answered = browser.get("/ask", params=QUESTION)
        assert answered.headers["content-type"].startswith("text/event-stream")
        assert answered.text.strip() == pages.outputs_of("fastapi")[0].strip()
        assert "new EventSource(" in browser.get("/").text
        assert browser.get("/ask", params={"question": ""}).status_code == 422


def test_a_failure_is_an_event(serve: Serve, tmp_path: Path) -> None:
    """The stream ends in an orderly way, with the reason."""
    script = Script(error=("AGENT_ERROR", "The register is closed."))
    with served(serve(script), tmp_path) as browser:
        assert re.search(r"event: failed\ndata: .*The register is closed", browser.get("/ask", params=QUESTION).text)


def test_closing_the_tab_stops_the_run(serve: Serve, tmp_path: Path) -> None:
    """Its connection is gone, and the run with it."""
    local = serve(EndlessEngine(), poll="on-change")
    with served(local, tmp_path) as browser:
        with browser.stream("GET", "/ask", params=QUESTION) as answer:
            assert any("Working." in line for line in answer.iter_lines())
        with Client(local.api_key, base_url=local.base_url, user_id="user-123") as client:
            (run,) = client.list_responses().responses
            assert client.get_response(run.response_id, wait=10).status == "cancelled"
