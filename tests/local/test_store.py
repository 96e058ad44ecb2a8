"""The database file: older versions are brought up to date, unknown ones are left alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lumnisai_core.local import StoreError
from lumnisai_core.local.liminal.store import STEPS as GATEWAY_STEPS
from lumnisai_core.local.lumnis.store.schema import STEPS
from lumnisai_core.local.store.database import Database
from tests.local.conftest import Serve
from tests.local.support import EchoEngine

#: The steps of both platforms in files that counted them as one list.
_ONE_LIST = (*STEPS[:3], *GATEWAY_STEPS[:1])


def _file(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as db:
        for step in _ONE_LIST[:version]:
            db.executescript(step)
        db.execute(f"PRAGMA user_version={version}")
        db.commit()


def test_an_older_database_is_brought_up_to_date(serve: Serve, tmp_path: Path) -> None:
    """Every version there ever was can be opened and then holds everything."""
    for version in range(len(_ONE_LIST) + 1):
        path = tmp_path / f"{version}.db"
        _file(path, version)
        api = serve(EchoEngine(), path=path)
        assert api.finish()["status"] == "succeeded"
        assert api.ok("GET", "/v1/skills")["total"] == 0


def test_each_platform_has_a_version_of_its_own(tmp_path: Path) -> None:
    """A new step of one platform is taken in a file in which the others have taken theirs."""
    path, first = tmp_path / "versions.db", "CREATE TABLE first (a)"
    Database(path, {"lumnis": [first], "liminal": ["CREATE TABLE second (a)"]}).close()
    for _ in range(2):
        steps = {"lumnis": [first, "CREATE TABLE third (a)"], "liminal": ["CREATE TABLE second (a)"], "lumi": []}
        database = Database(path, steps)
        tables = {name for (name,) in database.sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        database.close()
        assert tables == {"versions", "first", "second", "third"}
    with pytest.raises(StoreError, match="has lumnis version 2; this service reads version 1"):
        Database(path, {"lumnis": [first]})


def test_a_newer_database_is_left_alone(serve: Serve, tmp_path: Path) -> None:
    """A version that is not known is refused by name."""
    path = tmp_path / "new.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(StoreError, match="version 99"):
        serve(EchoEngine(), path=path)
