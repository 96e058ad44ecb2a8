"""Work on callers' input: it has an end, ends when nobody waits for it, and others have their turns meanwhile."""

from __future__ import annotations

import asyncio
import io
import threading
import zipfile
from typing import Any

import pytest

from lumnisai_core.local import OfflineEngine
from lumnisai_core.local.lumnis.files import library
from lumnisai_core.local.store.database import Database
from lumnisai_core.local.web.work import OutOfTime, Work, check_time
from tests.local.conftest import Serve
from tests.local.support import Api, EchoEngine, other_tenant
from tests.local.test_files import put

#: Each of many choices has a pattern, and none fits what the text says.
_CHOICES = [{"pattern": f"^z{number}(?=q)$"} for number in range(95)]
ENDLESS: dict[str, Any] = {"type": "object", "properties": {f"p{i}": {"anyOf": _CHOICES} for i in range(100)}}
ENDLESS["required"] = list(ENDLESS["properties"])
PLAIN = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
_NAMESPACE = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def _wide_table() -> bytes:
    """A Word file of one cell that spans a hundred million columns."""
    cell = '<w:tc><w:tcPr><w:gridSpan w:val="100000000"/></w:tcPr><w:p><w:r><w:t>tide</w:t></w:r></w:p></w:tc>'
    body = f'<w:document xmlns:w="{_NAMESPACE}"><w:body><w:tbl><w:tr>{cell}</w:tr></w:tbl></w:body></w:document>'
    package, office = "http://schemas.openxmlformats.org/package/2006", "application/vnd.openxmlformats"
    word = f"{office}-officedocument.wordprocessingml.document.main+xml"
    main = f'<Override PartName="/word/document.xml" ContentType="{word}"/>'
    rels = f'<Default Extension="rels" ContentType="{office}-package.relationships+xml"/>'
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    link = f'<Relationship Id="r" Type="{kind}" Target="word/document.xml"/>'
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as file:
        file.writestr("[Content_Types].xml", f'<Types xmlns="{package}/content-types">{rels}{main}</Types>')
        file.writestr("_rels/.rels", f'<Relationships xmlns="{package}/relationships">{link}</Relationships>')
        file.writestr("word/document.xml", body)
    return written.getvalue()


#: Small files that their parsers work on for a very long time.
BOMBS = [("wide.docx", _wide_table()), ("open.html", b"<!--" * 300_000), ("tag.html", b"<a a='" * 200_000)]


def test_a_schema_of_one_caller_holds_up_nobody(serve: Serve) -> None:
    """Another tenant is answered while it is worked on; its work ends with its run, and then its tenant goes on."""
    api = serve(OfflineEngine(step_delay=0))
    hostile = [api.create("Count.", response_format=ENDLESS)["response_id"] for _ in range(4)]
    with other_tenant(api) as other:
        assert other.get("/v1/health").status_code == 200
        assert other.finish("a: 7", response_format=PLAIN)["structured_response"] == {"a": 7}
    assert api.look(hostile[-1])["status"] == "in_progress"
    for response_id in hostile:
        api.ok("POST", f"/v1/responses/{response_id}/cancel")
    assert api.finish("a: 7", response_format=PLAIN)["structured_response"] == {"a": 7}


def test_a_schema_that_multiplies_is_refused_with_the_reason(api: Api) -> None:
    """With 400, before a run is made."""
    pairs = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(22)}
    schema = {"$defs": {**pairs, "d22": {"type": "string"}}, "$ref": "#/$defs/d0"}
    body = {"messages": [{"role": "user", "content": "Hello"}], "response_format": schema}
    reply = api.post("/v1/responses", json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "INVALID_RESPONSE_FORMAT")
    assert "multiply" in reply.json()["error"]["message"]
    assert api.ok("GET", "/v1/responses")["total"] == 0


@pytest.mark.parametrize(("name", "data"), BOMBS, ids=lambda value: str(value)[:10])
def test_a_file_of_one_caller_holds_up_nobody(serve: Serve, name: str, data: bytes) -> None:
    """Others' files are read meanwhile, and it can be deleted, which ends the work on it."""
    api = serve(EchoEngine())
    sent = {"files": {"file": (name, data)}, "data": {"scope": "tenant"}}
    bomb = api.ok("POST", "/v1/files/upload", **sent)["file_id"]
    with other_tenant(api) as other:
        assert put(other, "a.html", b"<p>The tide.")["processing_status"] == "completed"
    assert api.ok("GET", f"/v1/files/{bomb}")["processing_status"] in ("pending", "parsing")
    api.ok("DELETE", f"/v1/files/{bomb}")
    assert put(api, "a.html", b"<p>The tide.")["processing_status"] == "completed"


def test_a_file_that_takes_too_long_has_a_reason(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that reads it is ended."""
    monkeypatch.setattr(library, "_PATIENCE", 0.05)
    file = put(serve(EchoEngine()), *BOMBS[1])
    assert file["processing_status"] == "error"
    assert "takes more than" in file["error_message"]


async def test_work_ends_after_its_time() -> None:
    """It looks at the time by itself."""

    def endless() -> None:
        while True:
            check_time()

    with pytest.raises(OutOfTime):
        await Work(seconds=0.0).do("a", endless)
    check_time()  # outside of work there is no limit


async def test_work_that_nobody_waits_for_ends() -> None:
    """The thread is free again for the same caller."""
    work, begun = Work(), threading.Event()

    def endless() -> None:
        begun.set()
        while True:
            check_time()

    task = asyncio.create_task(work.do("a", endless))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await work.do("a", int, "7") == 7


async def test_callers_take_turns() -> None:
    """One that has sent much work has one thread; another one does not wait behind all of it."""
    work, gate, done = Work(threads=1), threading.Event(), list[str]()

    def wait() -> None:
        gate.wait()
        done.append("many")

    many = [asyncio.create_task(work.do("many", wait)) for _ in range(5)]
    await asyncio.sleep(0)
    one = asyncio.create_task(work.do("one", lambda: done.append("one")))
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*many, one)
    assert done.index("one") == 1


async def test_errors_of_work_reach_the_caller() -> None:
    """And the thread goes on."""
    work = Work(threads=1)
    with pytest.raises(ZeroDivisionError):
        await work.do("a", lambda: 1 // 0)
    assert await work.do("a", int, "1") == 1


async def test_a_search_ends_after_its_time(tmp_path: Any) -> None:
    """SQLite looks at the time of its thread."""
    database = Database(tmp_path / "l.db", {"lumnis": ["CREATE TABLE n (i INTEGER)"]})

    def search() -> None:
        query = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        with database.reader() as sql:
            sql.execute(query).fetchone()

    with pytest.raises(OutOfTime):
        await Work(seconds=0.05).do("a", search)
    database.close()
