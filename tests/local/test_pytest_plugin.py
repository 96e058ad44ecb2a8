"""The fixtures for people's own tests, in a pytest of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lumnisai_core import Client
from lumnisai_core.local import OfflineEngine, RecordedRequest, Script, ScriptableLumnis
from tests.local.support import Api

PLUGIN = "lumnisai_integrations.pytest_plugin"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "testing-your-code.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def run_pytest(folder: Path, code: str, *, asyncio_mode: str = "strict") -> str:
    """Run tests of people who use the package, with warnings as errors; return what pytest prints."""
    settings = f"asyncio_mode = {asyncio_mode}\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
    (folder / "pytest.ini").write_text(f"[pytest]\n{settings}", "utf-8")
    (folder / "test_theirs.py").write_text(code, "utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "pytest_asyncio.plugin", "-p", PLUGIN, "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # no plugins but these
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.processes
def test_the_example_of_the_documents_passes(tmp_path: Path) -> None:
    """The two tests that the page begins with pass as they are."""
    assert "2 passed" in run_pytest(tmp_path, BLOCKS[0])


@pytest.mark.processes
@pytest.mark.parametrize(
    ("block", "asyncio_mode", "passed"), [("test_progress", "auto", 2), ("test_a_lost_answer", "strict", 1)]
)
def test_further_examples_pass(tmp_path: Path, block: str, asyncio_mode: str, passed: int) -> None:
    """So do the others that define tests."""
    code = next(text for text in BLOCKS if block in text)
    assert f"{passed} passed" in run_pytest(tmp_path, code, asyncio_mode=asyncio_mode)


THEIRS = """
import asyncio
import os

import pytest


def test_environment(lumnis):
    assert os.environ["LUMNISAI_API_KEY"] == lumnis.api_key
    assert os.environ["LUMNISAI_BASE_URL"] == lumnis.base_url
    assert "LUMNISAI_TENANT_ID" not in os.environ


def test_environment_afterwards():
    assert os.environ["LUMNISAI_API_KEY"] == "theirs"
    assert os.environ["LUMNISAI_TENANT_ID"] == "theirs"


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_a_service_of_its_own(lumnis, lumnis_client, turn):
    assert lumnis.requests == []
    lumnis_client.invoke("Neap tides are small. Which tides are small?")
    lumnis.script("left over")
    assert lumnis_client.responses.list().total == 1


def test_own_loops(lumnis_async_client):
    for _ in range(2):
        run = asyncio.run(lumnis_async_client.invoke("Neap tides are small. Which tides are small?"))
        assert "small" in run.output_text


@pytest.mark.asyncio
async def test_loop_of_the_plugin(lumnis_async_client):
    assert "small" in (await lumnis_async_client.invoke("Neap tides are small. Which tides are small?")).output_text
"""


@pytest.mark.processes
def test_the_fixtures_keep_tests_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment, storage, scripts and requests are the test's own; no event loop is needed to close."""
    for name in ("LUMNISAI_API_KEY", "LUMNISAI_TENANT_ID"):
        monkeypatch.setenv(name, "theirs")
    assert "6 passed" in run_pytest(tmp_path, THEIRS)


@pytest.mark.processes
def test_loading_it_is_cheap_and_changes_nothing(tmp_path: Path) -> None:
    """A pytest that uses no fixture of it imports neither client nor server, and starts nothing."""
    code = """
import sys
import threading


def test_nothing(request):
    heavy = {"httpx", "lumnisai_core", "pydantic", "starlette", "uvicorn"}
    assert heavy.isdisjoint(sys.modules)
    assert threading.active_count() == 1
    assert [name for name in request.fixturenames if "lumnis" in name] == []
"""
    assert "1 passed" in run_pytest(tmp_path, code)


@pytest.mark.processes
def test_without_the_extra_only_its_users_get_an_error(tmp_path: Path) -> None:
    """The plugin loads without the server's packages; a test that uses it says what to install."""
    (tmp_path / "conftest.py").write_text("import sys\n\nsys.modules['uvicorn'] = None\n", "utf-8")
    shown = run_pytest(tmp_path, "def test_one():\n    pass\n\n\ndef test_two(lumnis):\n    pass\n")
    assert "1 passed, 1 error" in shown
    assert 'uvicorn: pip install "lumnisai-integrations[local]"' in shown


def test_scripts_are_played_once_in_order() -> None:
    """Texts, scripts and fields of one, one for each run; then the offline engine answers."""
    with ScriptableLumnis() as lumnis, Api(lumnis) as api:
        lumnis.script("one", Script(output_text="two"))
        lumnis.script(output_text="three", steps=["Thinking."])
        runs = [api.finish("Neap tides are small. Which tides are small?") for _ in range(4)]
    assert [run["output_text"] for run in runs[:3]] == ["one", "two", "three"]
    assert [entry["message"] for entry in runs[2]["progress"]] == ["Thinking."]
    assert "Neap tides are small." in runs[3]["output_text"]


def test_another_engine_may_answer_the_rest() -> None:
    """The engine and the other options of the service can be set."""
    with ScriptableLumnis(engine=OfflineEngine(step_delay=0), api_key="mine", poll="on-change") as lumnis:
        assert lumnis.api_key == "mine"


def test_a_wrong_script_is_explained() -> None:
    """Nothing to do, an unknown field and another type are errors at once."""
    lumnis = ScriptableLumnis()
    with pytest.raises(ValueError, match="needs a text"):
        lumnis.script()
    with pytest.raises(ValueError, match="Script has no answer"):
        lumnis.script(answer="Hello")
    with pytest.raises(ValueError, match="got int"):
        lumnis.script(5)  # type: ignore[arg-type]


def test_requests_are_recorded_without_credentials() -> None:
    """Each request is recorded completely, except for the key in either header."""
    with ScriptableLumnis(faults=[]) as lumnis, Api(lumnis, headers={"x-api-key": lumnis.api_key}) as api:
        api.get("/v1/responses", params={"limit": 5}, headers={"x-mine": "1", "authorization": "Bearer other"})
        api.post("/v1/threads", json={"title": "Tides"})
        api.post("/v1/threads", content=b"\xff{")
        api.get("/v1/nothing")
    first, second, third, fourth = lumnis.requests
    assert (first.method, first.path, first.query, first.json) == ("GET", "/v1/responses", {"limit": "5"}, None)
    assert first.headers["x-mine"] == "1"
    assert second.json == {"title": "Tides"}
    assert (third.json, third.content) == (None, b"\xff{")
    assert fourth.path == "/v1/nothing"
    assert lumnis.api_key not in repr(lumnis.requests)
    assert all({"authorization", "x-api-key"}.isdisjoint(request.headers) for request in lumnis.requests)
    assert RecordedRequest("GET", "/v1/nothing") != fourth


def test_a_request_that_ends_early_is_not_recorded() -> None:
    """A request that did not arrive completely is not recorded."""
    with ScriptableLumnis() as lumnis, Client(lumnis.api_key, base_url=lumnis.base_url) as client:
        with Api(lumnis) as api, pytest.raises(ConnectionAbortedError):
            api.post("/v1/threads", content=_broken())
        client.tenant.get()
    assert [request.path for request in lumnis.requests] == ["/v1/tenant"]


def _broken() -> Iterator[bytes]:
    yield b"{"
    raise ConnectionAbortedError
