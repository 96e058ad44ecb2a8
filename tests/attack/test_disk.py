"""On disk: who may read what, files of other applications, and what is left behind."""

from __future__ import annotations

import errno
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import pytest

from lumnisai_core import Client
from lumnisai_core.exceptions import LumnisAIError
from lumnisai_core.local import LocalLumnis, StoreError
from lumnisai_core.local.lumnis.store.schema import STEPS
from lumnisai_core.local.lumnis.store.store import Store
from lumnisai_core.local.store.database import Database
from tests.local.backend import Backend
from tests.local.conftest import Serve
from tests.local.support import EchoEngine
from tests.local.test_files import put


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_owner_may_read_the_files(serve: Serve, tmp_path: Path) -> None:
    """Database, journal, uploads and texts 0600, their folder 0700; an older database becomes so."""
    path = tmp_path / "l.db"
    path.touch(mode=0o644)
    path.chmod(0o644)
    api = serve(EchoEngine(), path=path)
    put(api, "a.txt", b"tide")
    put(api, "b.html", b"<p>tide")
    folder = tmp_path / "l.db.files"
    assert _mode(folder) == 0o700
    files = [*tmp_path.glob("l.db*"), *folder.iterdir()]
    assert len(files) >= 7
    assert {file.name: oct(_mode(file)) for file in files if file.is_file() and _mode(file) != 0o600} == {}


def test_an_upload_is_private_and_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of both platforms that keep files: nothing is left of one that meets a full disk."""

    def full(source: BinaryIO, target: BinaryIO, _: int) -> None:
        target.write(source.read(3))
        raise OSError(errno.ENOSPC, "No space left on device")

    with (
        LocalLumnis(path=tmp_path / "l.db") as local,
        Client(local.api_key, base_url=local.base_url, scope="tenant", max_retries=0) as client,
        Backend(local) as backend,
    ):
        parts = [("files", ("a.txt", b"drip", "text/plain"))]
        backend.ok("POST", f"{backend.project}/file/batch", files=parts)
        folders = [path for path in tmp_path.rglob("*") if path.is_dir()]
        kept = [path for folder in folders for path in folder.iterdir() if path.is_file()]
        assert len(kept) == 1
        assert {_mode(path) for path in kept} == {0o600}
        assert {_mode(folder) for folder in folders} == {0o700}
        monkeypatch.setattr("shutil.copyfileobj", full)
        with pytest.raises(LumnisAIError):
            client.files.upload(file_content=b"tide", file_name="b.txt", scope="tenant")
        assert backend.code("POST", f"{backend.project}/file/batch", files=parts) == 500
        assert {path for path in tmp_path.rglob("*") if path.is_file() and path.parent != tmp_path} == set(kept)


@pytest.mark.parametrize("application", [0, 0x0F055111])
def test_the_database_of_another_application_is_refused(tmp_path: Path, application: int) -> None:
    """It is left as it is, also if it has no mark but tables of its own."""
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
        db.execute(f"PRAGMA application_id={application}")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another application"):
        LocalLumnis(path=path).start()
    assert path.read_bytes() == before


def test_expired_replies_go(tmp_path: Path) -> None:
    """Those of more than a day ago, while the service runs."""
    database = Database(tmp_path / "l.db", {"lumnis": STEPS})
    store = Store(database)
    store.remember("t", "", "new", "f", "{}")
    store.remember("t", "", "old", "f", "{}")
    database.sql.execute("UPDATE replies SET created_at = '2001-01-01' WHERE key = 'old'")
    store.forget_replies()
    assert database.sql.execute("SELECT key FROM replies").fetchall() == [("new",)]
    database.close()


PROGRAM = """
import sys, time
from lumnisai_core.local import LocalLumnis
with LocalLumnis() as first, LocalLumnis() as second:
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_sigterm_leaves_no_temporary_folder(tmp_path: Path) -> None:
    """The process ends by the signal, as it does without a service."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"TMPDIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    assert len([*tmp_path.iterdir()]) == 2
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGTERM
    assert [*tmp_path.iterdir()] == []


def test_a_handler_of_sigterm_is_left_alone() -> None:
    """One that the program has set stays, and the default is back afterwards."""
    for own in (signal.SIG_DFL, signal.SIG_IGN):
        before = signal.signal(signal.SIGTERM, own)
        try:
            with LocalLumnis():
                assert (signal.getsignal(signal.SIGTERM) == own) == (own is signal.SIG_IGN)
            assert signal.getsignal(signal.SIGTERM) == own
        finally:
            signal.signal(signal.SIGTERM, before)
