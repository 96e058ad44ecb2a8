"""The programs of docs/durable.md for other engines: a step that is executed again finds its run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dbos import DBOS
from prefect.testing.utilities import prefect_test_harness
from temporalio.testing import ActivityEnvironment

from lumnisai_core import Client, ResponseObject
from lumnisai_core.local import LocalLumnis

PAGE = Path(__file__).resolve().parents[2] / "docs" / "durable.md"


def program(about: str) -> str:
    """Return the program of the page that contains a text."""
    blocks = re.findall(r"^```py\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    [found] = [block for block in blocks if about in block]
    return str(found)


def run(text: str) -> dict[str, Any]:
    """Run a program and return its names."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(text, "<document>", "exec"), names)
    return names


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Client]:
    """Serve agents to the program, which works in a folder of its own."""
    with LocalLumnis() as local:
        for name, value in local.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        with Client(user_id="user-123") as client:
            yield client


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the program fail once, right after the answer of its first run."""
    invoke, left = Client.invoke, ["once"]

    def failing(*args: Any, **parameters: Any) -> ResponseObject:
        response: ResponseObject = invoke(*args, **parameters)
        if left and left.pop():
            raise RuntimeError("crashed")
        return response

    monkeypatch.setattr(Client, "invoke", failing)


@pytest.mark.usefixtures("crash")
def test_langgraph(client: Client) -> None:
    with pytest.raises(RuntimeError, match="crashed"):
        run(program("kill -9"))
    run(program("kill -9"))
    assert client.list_responses().total == 2


@pytest.mark.usefixtures("crash")
def test_dbos(client: Client) -> None:
    try:
        run(program("import DBOS"))
    finally:
        DBOS.destroy()
    assert client.list_responses().total == 2


@pytest.mark.timeout(300)  # its server takes its time to start
@pytest.mark.usefixtures("crash")
def test_prefect(client: Client) -> None:
    with prefect_test_harness(server_startup_timeout=240):
        run(program("from prefect"))
    assert client.list_responses().total == 2


async def test_temporal(client: Client) -> None:
    """As far as it goes without a server: the activity, twice in the same workflow."""
    names = run(program("from temporalio"))
    for _ in range(2):
        assert await ActivityEnvironment().run(names["ask"], "What is a neap tide?")
    await names["client"].close()
    assert client.list_responses().total == 1
