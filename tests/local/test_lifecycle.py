"""Starting, stopping and coming back with a file."""

from __future__ import annotations

import importlib
import os
import signal
import socket
import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from lumnisai_core.local import LocalLumnis, StoreError
from tests.local.support import PATIENCE, Api, EchoEngine, HeldEngine

KEY = "lmn_local_test"


def _refused(url: str) -> bool:
    try:
        httpx.get(f"{url}/v1/health")
    except httpx.ConnectError:
        return True
    return False


def test_start_and_close_may_be_repeated() -> None:
    """Starting twice is one service, closing twice does nothing, and a closed one can be started again."""
    local = LocalLumnis(engine=EchoEngine())
    local.close()
    assert local.start().start() is local
    first = local.base_url
    local.close()
    local.close()
    assert _refused(first)
    with local, Api(local) as api:
        assert api.get("/v1/responses").json()["total"] == 0
    assert repr(local) == "<LocalLumnis not running>"


async def test_async_with() -> None:
    """The service can be used from asyncio."""
    async with LocalLumnis(engine=EchoEngine()) as local, httpx.AsyncClient() as client:
        url = local.base_url
        assert (await client.get(f"{url}/v1/health")).status_code == 200
    assert _refused(url)


def test_each_service_has_a_key_of_its_own() -> None:
    """A key is random by default."""
    assert LocalLumnis().api_key != LocalLumnis().api_key
    assert LocalLumnis(api_key=KEY).api_key == KEY


def test_a_taken_port_is_an_error() -> None:
    """Starting on a taken port fails, names the port and leaves nothing behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"in use: cannot listen on 127.0.0.1, port {port}$"):
            LocalLumnis(port=port).start()


@pytest.mark.parametrize("host", ["no..host", "256.0.0.1"])
def test_a_host_that_cannot_be_listened_on_is_an_error(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named, and nothing is left behind."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(OSError, match=f"cannot listen on {host}, port 0$"):
        LocalLumnis(host=host).start()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("port", [-1, 65536, "8787", True, None])
def test_a_wrong_port_is_refused(port: Any) -> None:
    """Before anything is started."""
    with pytest.raises(ValueError, match=f"port must be a whole number from 0 to 65535, got {port!r}"):
        LocalLumnis(port=port)


def test_closing_answers_held_polls_and_stops_engines(held: HeldEngine) -> None:
    """A held poll is answered with the run as it is; the engine's task is cancelled; no thread is left."""
    before = set(threading.enumerate())
    with LocalLumnis(engine=held) as local, Api(local) as api, ThreadPoolExecutor(1) as pool:
        run = api.create()
        report = held.arrived()
        poll = pool.submit(api.look, run["response_id"], wait=PATIENCE)
        with Api(local) as other:
            other.look(run["response_id"])
        local.close()
        assert poll.result(PATIENCE)["status"] == "in_progress"
        report.progress("too late")
    assert held.cancelled.is_set()
    assert set(threading.enumerate()) <= before


def test_a_temporary_database_is_removed() -> None:
    """Without a path nothing stays on the disk."""
    with LocalLumnis(engine=EchoEngine()) as local:
        folder = local._running._path.parent if local._running else Path()
        assert folder.exists()
    assert not folder.exists()


def test_a_file_keeps_everything(tmp_path: Path) -> None:
    """A service opened with the same file and key continues as the same tenant, idempotency keys included."""
    path = tmp_path / "lumnis.db"
    headers = {"idempotency-key": "k", "x-api-key": KEY}
    body = {"messages": [{"role": "user", "content": "one"}]}
    with LocalLumnis(engine=EchoEngine(), path=path, api_key=KEY) as local, Api(local) as api:
        created = api.post("/v1/responses", json=body, headers=headers).json()
        run = api.wait(created["response_id"])
    with LocalLumnis(engine=EchoEngine(), path=path, api_key=KEY) as local, Api(local) as api:
        assert api.look(run["response_id"]) == run
        assert api.post("/v1/responses", json=body, headers=headers).json() == created
        assert "user: one" in api.finish("two", thread_id=run["thread_id"])["output_text"]
    assert KEY.encode() not in path.read_bytes()


def test_another_key_is_another_tenant(tmp_path: Path) -> None:
    """Opening a file with another key shows none of the first tenant's runs."""
    with LocalLumnis(engine=EchoEngine(), path=tmp_path / "db", api_key=KEY) as local, Api(local) as api:
        api.finish()
    with LocalLumnis(engine=EchoEngine(), path=tmp_path / "db") as local, Api(local) as api:
        assert api.get("/v1/responses").json()["total"] == 0
        assert httpx.get(f"{local.base_url}/v1/tenant", headers={"x-api-key": KEY}).status_code == 401


def test_accepted_runs_are_not_lost(tmp_path: Path, held: HeldEngine) -> None:
    """After a restart a queued run is executed; one that was in progress is failed with a reason."""
    path = tmp_path / "lumnis.db"
    with LocalLumnis(engine=held, path=path, api_key=KEY) as local, Api(local) as api:
        queued, active = api.create("later", files=[{"name": "a", "uri": "https://x"}]), api.create("now")
        held.arrived()
        held.arrived()
    database = sqlite3.connect(path)
    database.execute("UPDATE runs SET status = 'queued' WHERE response_id = ?", (queued["response_id"],))
    database.commit()
    database.close()
    with LocalLumnis(engine=EchoEngine(), path=path, api_key=KEY) as local, Api(local) as api:
        assert api.wait(queued["response_id"])["output_text"] == "user: later"
        failed = api.wait(active["response_id"])
    assert (failed["status"], failed["error"]["code"]) == ("failed", "SERVICE_RESTARTED")
    assert failed["completed_at"]


def test_a_file_serves_one_service_at_a_time(tmp_path: Path) -> None:
    """A file that another service has open is refused, and the message says so."""
    with LocalLumnis(path=tmp_path / "db"), pytest.raises(StoreError, match="db is locked: another service has it"):
        LocalLumnis(path=tmp_path / "db").start()


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    """A file that is not a database, or has another version, is refused and left alone."""
    junk = tmp_path / "junk"
    junk.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="not a database"):
        LocalLumnis(path=junk).start()
    with pytest.raises(StoreError, match="unable to open"):
        LocalLumnis(path=tmp_path / "no" / "such" / "folder").start()
    newer = tmp_path / "newer"
    database = sqlite3.connect(newer)
    database.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(StoreError, match="version 99"):
        LocalLumnis(path=newer).start()


def test_serving_in_the_foreground_ends_with_a_signal() -> None:
    """`serve_forever` tells address and key, serves, and returns after SIGTERM with its handlers put back."""
    local = LocalLumnis(engine=EchoEngine())
    addresses: list[tuple[str, str]] = []

    def ready(url: str, key: str) -> None:
        addresses.append((url, key))
        assert httpx.get(f"{url}/v1/health").status_code == 200
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    local.serve_forever(ready)
    assert addresses == [(addresses[0][0], local.api_key)]
    assert _refused(addresses[0][0])
    assert signal.getsignal(signal.SIGTERM) is before


def test_serving_in_the_foreground_of_another_thread_ends_with_close() -> None:
    """Outside the main thread no signal is caught; `close` ends it."""
    local, ready = LocalLumnis(engine=EchoEngine()), threading.Event()
    thread = threading.Thread(target=local.serve_forever, args=(lambda *_: ready.set(),))
    thread.start()
    assert ready.wait(PATIENCE)
    local.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the server's packages the import says what to install."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "lumnisai_core.local")
    with pytest.raises(ImportError, match=r'uvicorn: pip install "lumnisai-integrations\[local\]"'):
        importlib.import_module("lumnisai_core.local")


def test_ipv6_addresses_are_written_in_brackets() -> None:
    """The service can listen on the IPv6 loopback."""
    try:
        with LocalLumnis(engine=EchoEngine(), host="::1") as local:
            assert httpx.get(f"{local.base_url}/v1/health").status_code == 200
            assert local.base_url.startswith("http://[::1]:")
    except OSError:
        pytest.skip("this machine has no IPv6")
