"""A service that is killed in the middle of its work and started again on the same file."""

from __future__ import annotations

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.local.conftest import Serve
from tests.local.killed import killable
from tests.local.support import PATIENCE, EchoEngine

_WRITERS = 8


def _create(caller: httpx.Client, text: str, key: str = "") -> httpx.Response:
    headers = {"idempotency-key": key} if key else {}
    return caller.post("/v1/responses", json={"messages": [{"role": "user", "content": text}]}, headers=headers)


def _ended(caller: httpx.Client, response_id: str) -> dict[str, Any]:
    while True:
        reply = caller.get(f"/v1/responses/{response_id}", params={"wait": PATIENCE})
        assert reply.status_code == 200, reply.text
        run: dict[str, Any] = reply.json()
        if run["status"] not in ("queued", "in_progress"):
            return run


@pytest.mark.processes
def test_a_killed_service_comes_back_with_everything(tmp_path: Path) -> None:
    """Ended runs are unchanged, runs in progress have failed with a reason, and keys still mean their runs."""
    with killable(tmp_path / "l.db") as first, first.caller() as caller:
        created = _create(caller, "hello", "key-1")
        done = _ended(caller, created.json()["response_id"])
        waiting = _create(caller, "wait for me", "key-2").json()["response_id"]
        while not caller.get(f"/v1/responses/{waiting}").json()["progress"]:
            pass
        first.kill()
    with killable(tmp_path / "l.db") as second, second.caller() as caller:
        assert caller.get(f"/v1/responses/{done['response_id']}").json() == done
        cut = _ended(caller, waiting)
        assert (cut["status"], cut["error"]["code"]) == ("failed", "SERVICE_RESTARTED")
        assert [entry["message"] for entry in cut["progress"]] == ["Working."]
        again = _create(caller, "hello", "key-1")
        assert (again.status_code, again.json()) == (200, created.json())
        assert _create(caller, "wait for me", "key-2").json()["response_id"] == waiting
        assert _create(caller, "something else", "key-1").status_code == 409
        assert caller.get("/v1/responses").json()["total"] == 2


@pytest.mark.processes
def test_a_run_stored_when_the_service_was_killed_is_executed(tmp_path: Path) -> None:
    """Killed between storing and telling: the run is there, is executed once, and the retried create finds it."""
    with killable(tmp_path / "l.db", "accepted") as first, first.caller() as caller:
        with pytest.raises(httpx.TransportError):
            _create(caller, "hello", "key-1")
        assert first.wait() == -9
    with closing(sqlite3.connect(tmp_path / "l.db")) as database:
        assert database.execute("SELECT status FROM runs").fetchall() == [("queued",)]
    with killable(tmp_path / "l.db") as second, second.caller() as caller:
        retried = _create(caller, "hello", "key-1")
        assert retried.status_code == 200
        run = _ended(caller, retried.json()["response_id"])
        assert (run["status"], run["output_text"]) == ("succeeded", "answer to hello")
        assert caller.get("/v1/responses").json()["total"] == 1


@pytest.mark.processes
def test_nothing_that_was_accepted_is_missing(tmp_path: Path) -> None:
    """Many writers are cut off in the middle, three times: every run that was answered with a 201 is known after."""
    accepted: dict[str, str] = {}
    for life in range(3):
        with killable(tmp_path / "l.db") as service, ThreadPoolExecutor(_WRITERS) as pool:
            enough = threading.Semaphore(0)

            def write(writer: int, url: str = service.base_url, enough: Any = enough, life: int = life) -> None:
                with httpx.Client(base_url=url, headers={"x-api-key": "lmn_local_killed"}) as caller:
                    with suppress(httpx.TransportError):
                        for number in range(10_000):
                            key = f"{life}-{writer}-{number}"
                            reply = _create(caller, ("wait " if number % 3 else "") + key, key)
                            assert reply.status_code == 201, reply.text
                            accepted[key] = reply.json()["response_id"]
                            enough.release()

            writers = [pool.submit(write, number) for number in range(_WRITERS)]
            for _ in range(60):
                assert enough.acquire(timeout=PATIENCE)
            service.kill()
            for writer in writers:
                writer.result(PATIENCE)
    with killable(tmp_path / "l.db") as service, service.caller() as caller:
        runs = {key: caller.get(f"/v1/responses/{response_id}").json() for key, response_id in accepted.items()}
        for key, run in runs.items():
            text = run["input_messages"][-1]["content"]
            assert text.removeprefix("wait ") == key
            if run["status"] in ("queued", "in_progress") and not text.startswith("wait"):
                runs[key] = _ended(caller, run["response_id"])
        total = caller.get("/v1/responses").json()["total"]
    assert len(accepted) >= 180
    assert len(accepted) <= total <= len(accepted) + 3 * _WRITERS
    for key, run in runs.items():
        if run["status"] == "failed":
            assert run["error"]["code"] == "SERVICE_RESTARTED"
        elif run["status"] == "succeeded":
            assert run["output_text"] == f"answer to {key}"
        else:  # was still queued when the service was killed, so it was started after
            assert run["input_messages"][-1]["content"].startswith("wait")
    with closing(sqlite3.connect(tmp_path / "l.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.processes
def test_an_uploaded_file_survives(tmp_path: Path) -> None:
    """Killed right after the upload was answered: the file is there and gets processed."""
    text = "".join(f"Line {number}.\n" for number in range(2_000))
    with killable(tmp_path / "l.db") as first, first.caller() as caller:
        upload = {"file": ("a.txt", text.encode(), "text/plain")}
        reply = caller.post("/v1/files/upload", data={"scope": "tenant"}, files=upload)
        first.kill()
    assert reply.is_success, reply.text
    place = f"/v1/files/{reply.json()['file_id']}"
    deadline = time.monotonic() + PATIENCE
    with killable(tmp_path / "l.db") as second, second.caller() as caller:
        while (status := caller.get(f"{place}/status").json()["status"]) != "completed":
            assert status in ("pending", "parsing", "parsed", "processing", "embedding", "uploading"), status
            assert time.monotonic() < deadline
        assert caller.get(f"{place}/download").text == text


def test_many_writers_do_not_disturb_each_other(serve: Serve, tmp_path: Path) -> None:
    """Runs, threads, users, files and renamings from many threads at once: no refusal, no failure, all is there."""
    api = serve(EchoEngine(), path=tmp_path / "l.db")
    rounds = 15

    def write(writer: int) -> None:
        with httpx.Client(base_url=api.base_url, headers=api.headers, timeout=PATIENCE) as caller:
            for number in range(rounds):
                name = f"{writer}-{number}@example.com"
                thread = caller.post("/v1/threads", json={"user_id": name}).json()["thread_id"]
                body = {"messages": [{"role": "user", "content": name}], "thread_id": thread, "user_id": name}
                upload = {"file": ("a.txt", name.encode(), "text/plain")}
                replies = [
                    caller.post("/v1/users", json={"email": name}),
                    caller.post("/v1/responses", json=body),
                    caller.patch(f"/v1/threads/{thread}", json={"title": name}),
                    caller.post("/v1/files/upload", data={"scope": "tenant"}, files=upload),
                    caller.get("/v1/responses"),
                ]
                assert [reply.text for reply in replies if not reply.is_success] == []

    with ThreadPoolExecutor(_WRITERS) as pool:
        list(pool.map(write, range(_WRITERS)))
    for path, count in (("/v1/responses", "total"), ("/v1/threads", "total"), ("/v1/files", "total_count")):
        assert api.ok("GET", path)[count] == rounds * _WRITERS
