"""Helpers for the tests of the embedded service: a raw HTTP caller and an engine that waits to be released."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from lumnisai_core.local import LocalLumnis, RunReport, RunRequest, RunResult

PATIENCE = 60.0


class Api(httpx.Client):
    """An HTTP client with the few calls that nearly every test makes."""

    def __init__(self, local: LocalLumnis, **options: Any) -> None:
        headers = {"authorization": f"Bearer {local.api_key}"}
        self.local = local
        super().__init__(base_url=local.base_url, timeout=PATIENCE, **{"headers": headers, **options})

    def create(self, text: str = "Hello", **fields: Any) -> dict[str, Any]:
        reply = self.post("/v1/responses", json={"messages": [{"role": "user", "content": text}], **fields})
        assert reply.status_code == 201, reply.text
        body: dict[str, Any] = reply.json()
        return body

    def look(self, response_id: str, **query: Any) -> dict[str, Any]:
        reply = self.get(f"/v1/responses/{response_id}", params=query)
        assert reply.status_code == 200, reply.text
        body: dict[str, Any] = reply.json()
        return body

    def ok(self, method: str, path: str, **options: Any) -> Any:
        """Send a request that must succeed; return the JSON of the reply."""
        reply = self.request(method, path, **options)
        assert reply.is_success, f"{reply.status_code} {reply.text}"
        return reply.json() if reply.content else None

    def refused(self, status: int, method: str, path: str, **options: Any) -> Any:
        """Send a request that must be refused with a documented body; return its code, or the places of the faults."""
        reply = self.request(method, path, **options)
        assert reply.status_code == status, f"{reply.status_code} {reply.text}"
        body = reply.json()
        if status == 422:
            assert all(set(entry) == {"loc", "msg", "type"} for entry in body["detail"])
            return [entry["loc"] for entry in body["detail"]]
        assert body["error"]["message"]
        return body["error"]["code"]

    def finish(self, text: str = "Hello", **fields: Any) -> dict[str, Any]:
        """Create a run and follow it to its end."""
        return self.wait(self.create(text, **fields)["response_id"])

    def wait(self, response_id: str) -> dict[str, Any]:
        run = self.look(response_id, wait=PATIENCE)
        while run["status"] in ("queued", "in_progress"):
            run = self.look(response_id, wait=PATIENCE)
        return run


def counted_steps(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Count the steps of services that start from now on in their event loops; return how many there were so far.

    Those in threads do not count: what reads there sets a handler of its own.
    """
    steps, connect = [0], sqlite3.connect

    def count() -> None:
        steps[0] += 1

    def counted(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)
        connection.set_progress_handler(count, 1)
        return connection

    monkeypatch.setattr(sqlite3, "connect", counted)
    return lambda: steps[0]


def other_tenant(api: Api) -> Api:
    """Return a caller with a key, and so a tenant, of its own."""
    return Api(api.local, headers={"x-api-key": api.local.add_key()})


class Lucidic(httpx.Client):
    """A raw caller of the observability service, for one agent."""

    def __init__(self, local: LocalLumnis, agent: str | None = "agent-1", **options: Any) -> None:
        headers = {"authorization": f"Api-Key {local.lucidic.api_key}"}
        if agent is not None:
            headers["x-agent-id"] = agent
        self.local = local
        super().__init__(base_url=local.lucidic.base_url, timeout=PATIENCE, headers=headers, **options)

    def ok(self, method: str, path: str, **options: Any) -> Any:
        reply = self.request(method, path, **options)
        assert reply.is_success, f"{reply.status_code} {reply.text}"
        return reply.json() if reply.content else None

    def refused(self, status: int, method: str, path: str, **options: Any) -> Any:
        reply = self.request(method, path, **options)
        assert reply.status_code == status, f"{reply.status_code} {reply.text}"
        return reply.json()

    def session(self, **fields: Any) -> str:
        """Make a session; return its id."""
        body = {"session_id": str(uuid4()), "session_name": "Refund desk", "agent_id": self.headers["x-agent-id"]}
        return str(self.ok("POST", "/initsession", json=body | fields)["session_id"])

    def event(self, session_id: str, payload: Any = None, **fields: Any) -> Any:
        """Make an event; return the answer."""
        body = {"client_event_id": str(uuid4()), "client_parent_event_id": None, "type": "generic"}
        return self.ok("POST", "/events", json={**body, "session_id": session_id, "payload": payload or {}, **fields})


class HeldEngine:
    """Holds every run until it is released; keeps the requests and reports it has seen."""

    def __init__(self, output_text: str = "done") -> None:
        self.output_text = output_text
        self.requests: list[RunRequest] = []
        self.reports: list[RunReport] = []
        self.cancelled = threading.Event()
        self._arrived = threading.Semaphore(0)
        self._gates: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        gate = asyncio.Event()
        self.requests.append(request)
        self.reports.append(report)
        self._gates.append((asyncio.get_running_loop(), gate))
        self._arrived.release()
        try:
            await gate.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return RunResult(self.output_text)

    def arrived(self) -> RunReport:
        """Wait until one more run has reached the engine; return its report."""
        assert self._arrived.acquire(timeout=PATIENCE)
        return self.reports[-1]

    def release(self) -> None:
        """Let all held runs end."""
        for loop, gate in self._gates:
            loop.call_soon_threadsafe(gate.set)
        self._gates.clear()


class EchoEngine:
    """Answers with the whole conversation, one message a line."""

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        return RunResult("\n".join(f"{item.role}: {item.content}" for item in request.messages))
