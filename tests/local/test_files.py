"""Files: upload, processing, contents, download, search and deletion."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from tests.local.conftest import Serve
from tests.local.support import Api, EchoEngine

#: An id that nothing has.
NOBODY = "00000000-0000-4000-8000-000000000000"
TIDES = "The tide at Brest is high.\nThe moon pulls the sea.\nFishing boats leave at noon.\n"
FILE_FIELDS = {
    *("id", "tenant_id", "user_id", "file_name", "original_file_name", "file_type", "mime_type", "file_size"),
    *("file_scope", "processing_status", "error_message", "total_chunks", "chunks_embedded", "tags", "blob_url"),
    *("created_at", "updated_at", "deleted_at"),
}


def put(api: Api, name: str = "tides.txt", data: str | bytes = TIDES, **fields: str) -> dict[str, Any]:
    """Upload a file and follow its processing to the end."""
    reply = upload(api, name, data, **fields)
    assert reply.is_success, reply.text
    return processed(api, reply.json()["file_id"], **{key: fields[key] for key in ("user_id",) if key in fields})


def upload(api: Api, name: str = "tides.txt", data: str | bytes = TIDES, **fields: str) -> httpx.Response:
    return api.post("/v1/files/upload", files={"file": (name, data)}, data={"scope": "tenant", **fields})


def processed(api: Api, file_id: str, **query: str) -> dict[str, Any]:
    while api.ok("GET", f"/v1/files/{file_id}/status", params=query)["status"] in ("pending", "parsing", "embedding"):
        pass
    found: dict[str, Any] = api.ok("GET", f"/v1/files/{file_id}", params=query)
    return found


def names(api: Api, **query: Any) -> list[str]:
    return [file["file_name"] for file in api.ok("GET", "/v1/files", params=query)["files"]]


def reach(api: Api, file_id: str, method: str, tail: str, user_id: str | None) -> int:
    query = {} if user_id is None else {"user_id": user_id}
    return api.request(method, f"/v1/files/{file_id}{tail}", params=query).status_code


def test_an_upload_is_answered_at_once_and_processed_in_the_background(api: Api) -> None:
    """The reply says pending; then the file goes through its states to completed."""
    reply = upload(api, tags=" Sea, moon,sea ")
    assert (reply.status_code, reply.json()["file_name"], reply.json()["status"]) == (201, "tides.txt", "pending")
    file = processed(api, reply.json()["file_id"])
    assert set(file) == FILE_FIELDS
    assert (file["processing_status"], file["file_type"], file["mime_type"]) == ("completed", "txt", "text/plain")
    assert (file["tags"], file["file_size"], file["file_scope"]) == (["sea", "moon"], len(TIDES), "tenant")
    assert file["total_chunks"] == file["chunks_embedded"] == 1
    status = api.ok("GET", f"/v1/files/{file['id']}/status")
    assert (status["progress_percentage"], status["error_message"]) == (100.0, None)


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("a.md", "# Tides\n\nHigh.", "# Tides\n\nHigh."),
        ("a.csv", "port,metres\r\nBrest,7", "port,metres\nBrest,7"),
        ("a.json", '{"port": "Brest"}', '{"port": "Brest"}'),
        ("a.py", "print('tide')\n", "print('tide')\n"),
        ("a.HTML", "<head><title>x</title></head><p>One <b>tide</b>\nrises<p>A &amp; B<script>no()</script>", None),
        ("bom.txt", "\ufefftide".encode(), "tide"),
        ("wide.txt", "tide".encode("utf-16"), "tide"),
        ("old.txt", "mar\u00e9e".encode("cp1252"), "mar\u00e9e"),
        ("empty.txt", "", ""),
    ],
)
def test_text_formats_are_read(api: Api, name: str, data: str | bytes, text: str | None) -> None:
    """Text in any common encoding is read as it is; of HTML what a page shows."""
    file = put(api, name, data)
    assert file["processing_status"] == "completed"
    body = api.ok("GET", f"/v1/files/{file['id']}/content")
    assert body["text"] == ("One tide rises\nA & B" if text is None else text)


@pytest.mark.parametrize(("name", "data"), [("a.png", b"\x89PNG\0\0"), ("a.pdf", b"%PDF-"), ("a.docx", b"PK\0\0")])
def test_an_unreadable_file_is_an_error_with_a_reason(api: Api, name: str, data: bytes) -> None:
    """The file is kept and can be downloaded, but has no text."""
    file = put(api, name, data)
    assert file["processing_status"] == "error"
    assert file["file_type"].upper() in file["error_message"].upper()
    assert api.ok("GET", f"/v1/files/{file['id']}/status")["error_message"] == file["error_message"]
    assert api.refused(409, "GET", f"/v1/files/{file['id']}/content") == "CONTENT_NOT_AVAILABLE"
    assert api.get(f"/v1/files/{file['id']}/download").content == data


@pytest.mark.parametrize(
    ("query", "text", "lines"),
    [
        ({}, TIDES, (None, None)),
        ({"start_line": 2}, "The moon pulls the sea.\nFishing boats leave at noon.\n", (2, 3)),
        ({"start_line": 2, "end_line": 2}, "The moon pulls the sea.\n", (2, 2)),
        ({"end_line": 1, "content_type": "text"}, "The tide at Brest is high.\n", (1, 1)),
        ({"start_line": 9}, "", (9, 9)),
        ({"end_line": 9}, TIDES, (1, 3)),
    ],
)
def test_content_is_read_by_lines(api: Api, query: dict[str, Any], text: str, lines: tuple[Any, Any]) -> None:
    """Lines count from 1, both ends included; past the end there is nothing."""
    body = api.ok("GET", f"/v1/files/{put(api)['id']}/content", params=query)
    assert (body["text"], (body["start_line"], body["end_line"]), body["total_lines"]) == (text, lines, 3)


def test_only_text_is_there(api: Api) -> None:
    """No transcripts, summaries or structures are made."""
    path = f"/v1/files/{put(api)['id']}/content"
    assert api.refused(404, "GET", path, params={"content_type": "summary"}) == "CONTENT_NOT_AVAILABLE"
    for query in ("content_type=song", "start_line=0", "start_line=x", "start_line=3&end_line=2"):
        api.refused(422, "GET", f"{path}?{query}")


def test_a_file_is_downloaded_as_it_came(api: Api) -> None:
    """Bytes and media type are those of the file; JSON does not look like a reply."""
    file = put(api, "caf\u00e9 \u2603.md", "\u00e9" * 100_000)
    reply = api.get(f"/v1/files/{file['id']}/download")
    assert (reply.text, reply.headers["content-type"]) == ("\u00e9" * 100_000, "text/markdown; charset=utf-8")
    assert "caf%C3%A9" in reply.headers["content-disposition"]
    twin = put(api, "a.json", "{}")
    assert api.get(f"/v1/files/{twin['id']}/download").headers["content-type"] == "application/octet-stream"


def test_a_download_can_be_a_redirect_to_a_place_without_credentials(serve: Serve) -> None:
    """The link leads to another port, works without a key, and only as it was signed."""
    api = serve(EchoEngine(), download="redirect")
    file = put(api)
    reply = api.get(f"/v1/files/{file['id']}/download")
    link = reply.headers["location"]
    assert (reply.status_code, reply.content) == (302, b"")
    assert urlsplit(link).port != api.base_url.port
    assert httpx.get(link).text == TIDES
    other = put(api, "other.txt")
    for bad in (link[:-1], link.replace(file["id"], other["id"]), link.replace("expires=", "expires=9"), link + "0"):
        assert httpx.get(bad).status_code == 403
    assert httpx.get(f"{link.partition('?')[0]}").status_code == 403
    assert httpx.post(link).status_code == 403
    api.ok("DELETE", f"/v1/files/{file['id']}")
    assert httpx.get(link).status_code == 404


def test_files_are_listed_filtered_and_paged(api: Api) -> None:
    """Both spellings answer directly; filters narrow; pages tell if there is more."""
    put(api, "a.txt", tags="sea")
    put(api, "b.md", tags="sea,moon")
    put(api, "c.png", b"\0")
    put(api, "d.txt", scope="user", user_id="ada")
    page = api.ok("GET", "/v1/files/", params={"limit": 2})
    assert page == api.ok("GET", "/v1/files", params={"limit": 2})
    assert [file["file_name"] for file in page["files"]] == ["c.png", "b.md"]
    assert (page["total_count"], page["page"], page["limit"], page["has_more"]) == (3, 1, 2, True)
    assert api.ok("GET", "/v1/files", params={"limit": 2, "page": 2})["has_more"] is False
    assert names(api, file_type="TXT") == ["a.txt"]
    assert names(api, status="error") == ["c.png"]
    assert names(api, tags="moon, nothing") == ["b.md"]
    assert names(api, user_id="ada") == ["d.txt", "c.png", "b.md", "a.txt"]
    assert names(api, user_id="ada", scope="user") == ["d.txt"]
    for query in ("limit=101", "page=0", "status=done", "scope=all"):
        assert api.refused(422, "GET", f"/v1/files?{query}") == [["query", query.partition("=")[0]]]


def test_duplicates_are_handled_as_the_request_says(api: Api) -> None:
    """By default the new file gets a number; it can also be refused, left out or put in place of the old one."""
    first = put(api)
    assert put(api)["file_name"] == "tides_(1).txt"
    third = put(api)
    assert (third["file_name"], third["original_file_name"]) == ("tides_(2).txt", "tides.txt")
    refused = upload(api, duplicate_handling="error")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "DUPLICATE_FILE")
    skipped = upload(api, data="new", duplicate_handling="skip")
    assert (skipped.status_code, skipped.json()["file_id"]) == (200, first["id"])
    replaced = put(api, data="new", duplicate_handling="replace")
    assert (replaced["file_name"], replaced["file_size"]) == ("tides.txt", 3)
    assert api.refused(404, "GET", f"/v1/files/{first['id']}") == "NOT_FOUND"
    assert put(api, scope="user", user_id="ada")["file_name"] == "tides.txt"


def test_an_upload_with_a_key_happens_once(api: Api) -> None:
    """A repeated upload returns the first reply; another file under the same key is a conflict."""
    sent = {"files": {"file": ("a.txt", b"tide")}, "data": {"scope": "tenant"}, "headers": {"idempotency-key": "k"}}
    first, again = (api.post("/v1/files/upload", **sent) for _ in range(2))  # type: ignore[arg-type]
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    sent["files"] = {"file": ("a.txt", b"other")}
    assert api.refused(409, "POST", "/v1/files/upload", **sent) == "IDEMPOTENCY_KEY_REUSED"
    assert names(api) == ["a.txt"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\x\\a.txt", "a.txt"),
        ("x" * 300, "x" * 200),
    ],
)
def test_names_are_reduced_to_names(api: Api, name: str, kept: str) -> None:
    """Folders and control characters are not part of a name, endless names are cut."""
    assert put(api, name)["file_name"] == kept


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"json": {"scope": "tenant"}}, ["body"]),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, ["body"]),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=b"}}, ["body"]),
        ({"files": {"file": ("a.txt", b"x")}}, ["body", "scope"]),
        ({"files": {"file": ("a.txt", b"x")}, "data": {"scope": "all"}}, ["body", "scope"]),
        ({"files": {"file": ("a.txt", b"x")}, "data": {"scope": "user"}}, ["body"]),
        ({"files": {"other": ("a.txt", b"x")}, "data": {"scope": "tenant"}}, ["body", "file"]),
        ({"files": {"file": ("..", b"x")}, "data": {"scope": "tenant"}}, ["body", "file"]),
        ({"files": {"file": ("a", b"x")}, "data": {"scope": "tenant", "tags": "x" * 51}}, ["body", "tags"]),
        ({"files": {"file": ("a", b"x")}, "data": {"scope": "tenant", "tags": ",".join("abcdefghijk")}}, None),
        ({"files": {"file": ("a", b"x")}, "data": {"scope": "tenant", "duplicate_handling": "ask"}}, None),
    ],
)
def test_a_bad_upload_is_422_and_leaves_nothing(
    serve: Serve, tmp_path: Path, options: dict[str, Any], place: list[str] | None
) -> None:
    """An invalid upload is refused and nothing is kept, neither in the list nor on disk."""
    api = serve(EchoEngine(), path=tmp_path / "lumnis.db")
    places = api.refused(422, "POST", "/v1/files/upload", **options)
    assert place is None or places == [place]
    assert names(api) == []
    assert not list((tmp_path / "lumnis.db.files").glob("*"))


def test_a_file_over_the_limit_is_413(serve: Serve) -> None:
    """The limit holds for a file a little over it and for one far over it; in bulk only that file fails."""
    api = serve(EchoEngine(), max_file=1000)
    for size in (1001, 3_000_000):
        reply = upload(api, data=b"x" * size)
        assert (reply.status_code, reply.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    parts = [("files", ("big.txt", b"x" * 1001)), ("files", ("small.txt", b"x")), ("files", ("..", b"x"))]
    reply = api.post("/v1/files/bulk-upload", files=parts, data={"scope": "tenant", "tags": "bulk"})
    body = reply.json()
    assert (reply.status_code, body["total_uploaded"], body["total_failed"]) == (201, 1, 2)
    assert [item["filename"] for item in body["failed"]] == ["big.txt", ".."]
    assert processed(api, body["uploaded"][0]["file_id"])["tags"] == ["bulk"]
    assert names(api) == ["small.txt"]
    assert api.refused(422, "POST", "/v1/files/bulk-upload", data={"scope": "tenant"}) == [["body"]]


def search(api: Api, query: str, **fields: Any) -> list[dict[str, Any]]:
    body = api.ok("POST", "/v1/files/search", json={"query": query, **fields})
    assert (body["query"], body["total_count"]) == (query, len(body["results"]))
    results: list[dict[str, Any]] = body["results"]
    return results


def test_search_finds_the_best_pieces(api: Api) -> None:
    """Results are files with their pieces; scores lie between 0 and 1, the best first."""
    put(api)
    long = "\n".join(f"Line {number} is about harbours and nets." for number in range(200)) + "\nA whale was seen.\n"
    put(api, "long.md", long)
    results = search(api, "When do fishing boats leave?")
    assert results[0]["file"]["file_name"] == "tides.txt"
    chunk = results[0]["chunks"][0]
    assert (chunk["chunk_text"], chunk["chunk_index"]) == (TIDES.strip(), 0)
    assert (chunk["start_line"], chunk["end_line"]) == (1, 3)
    assert results[0]["overall_score"] == chunk["similarity_score"]
    (whale,) = search(api, "whale")
    assert (whale["overall_score"], whale["chunks"][0]["end_line"]) == (1.0, 201)
    assert "whale" in whale["chunks"][0]["chunk_text"]
    many = search(api, "harbours whale", limit=3)
    scores = [chunk["similarity_score"] for result in many for chunk in result["chunks"]]
    assert (len(scores), scores, 0 < min(scores) < max(scores) <= 1) == (3, sorted(scores, reverse=True), True)
    assert search(api, "harbours whale", min_score=0.99) == [whale]


def test_search_is_narrowed_by_type_and_tag(api: Api) -> None:
    """Types and tags leave out other files; what occurs nowhere finds nothing."""
    put(api, "a.txt", tags="sea")
    put(api, "b.md")
    assert [item["file"]["file_name"] for item in search(api, "tide", file_types=[".TXT"])] == ["a.txt"]
    assert [item["file"]["file_name"] for item in search(api, "tide", tags=["SEA"])] == ["a.txt"]
    for query in ("zeppelin", "the", "\"'*:^()", "\0", "a OR b", "\u6f6e\u6c50"):
        assert search(api, query) == []
    put(api, "zh.txt", "\u6f6e\u6c50\u5f88\u9ad8\u3002")
    assert len(search(api, "\u6f6e\u6c50")) == 1


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"{", ["body"]),
        ({}, ["body", "query"]),
        ({"query": ""}, ["body", "query"]),
        ({"query": "x", "limit": 51}, ["body", "limit"]),
        ({"query": "x", "limit": 0}, ["body", "limit"]),
        ({"query": "x", "min_score": 1.5}, ["body", "min_score"]),
        ({"query": "x", "tags": "sea"}, ["body", "tags"]),
        ({"query": "x", "user_id": ""}, ["body", "user_id"]),
    ],
)
def test_a_bad_search_is_422(api: Api, body: Any, place: list[str]) -> None:
    """Searches out of range are refused."""
    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
    assert api.refused(422, "POST", "/v1/files/search", **sent) == [place]


def test_files_are_deleted_or_hidden(serve: Serve, tmp_path: Path) -> None:
    """By default nothing stays on disk; a hidden file is out of sight but can still be deleted for good."""
    api = serve(EchoEngine(), path=tmp_path / "lumnis.db")
    first, second = put(api, "a.txt"), put(api, "b.txt")
    reply = api.ok("DELETE", f"/v1/files/{first['id']}")
    assert (reply["file_id"], reply["hard_delete"]) == (first["id"], True)
    folder = tmp_path / "lumnis.db.files"
    assert {path.stem for path in folder.iterdir()} == {second["id"]}
    api.ok("DELETE", f"/v1/files/{second['id']}", params={"hard_delete": "false"})
    assert search(api, "tide") == []
    assert names(api) == []
    assert reach(api, second["id"], "GET", "", None) == 404
    assert api.refused(404, "DELETE", f"/v1/files/{second['id']}?hard_delete=false") == "NOT_FOUND"
    api.ok("DELETE", f"/v1/files/{second['id']}")
    assert list(folder.iterdir()) == []


def test_several_files_are_deleted_at_once(api: Api) -> None:
    """The reply tells which were deleted and which could not be reached."""
    first, second = put(api, "a.txt")["id"], put(api, "b.txt")["id"]
    ids = [first, second, first, str(uuid4()), "../x"]
    reply = api.ok("DELETE", "/v1/files/bulk", json={"file_ids": ids})
    assert (reply["deleted"], reply["failed"], reply["total_requested"]) == ([first, second], ids[3:], 4)
    bodies: list[Any] = [{}, {"file_ids": []}, {"file_ids": "x"}]
    for body in bodies:
        assert api.refused(422, "DELETE", "/v1/files/bulk", json=body) == [["body", "file_ids"]]


def test_statistics_count_files(api: Api) -> None:
    """Totals by type, status and scope; for a user only what they may see."""
    empty = api.ok("GET", "/v1/files/statistics")
    assert (empty["total_files"], empty["average_file_size_bytes"]) == (0, 0.0)
    put(api, "a.txt", "12")
    put(api, "b.png", b"\0\0\0\0")
    put(api, "c.txt", "123", scope="user", user_id="ada")
    reply = api.ok("GET", "/v1/files/statistics")
    assert (reply["total_files"], reply["total_size_bytes"], reply["average_file_size_bytes"]) == (3, 9, 3.0)
    assert (reply["files_by_type"], reply["files_by_scope"]) == ({"txt": 2, "png": 1}, {"tenant": 2, "user": 1})
    assert reply["files_by_status"] == {"completed": 2, "error": 1}
    assert reply["average_processing_time_seconds"] >= 0
    assert api.ok("GET", "/v1/files/statistics", params={"user_id": "bob"})["total_files"] == 2


@pytest.mark.parametrize("name", ["nothing", "..%2f..%2fetc", "a%00b", NOBODY, "upload", "search"])
def test_an_unknown_file_is_404(api: Api, name: str) -> None:
    """Guessed ids and tricks with paths are refused alike."""
    for tail in ("", "/content", "/download", "/status"):
        assert api.get(f"/v1/files/{name}{tail}").status_code in (404, 405)
    assert api.delete(f"/v1/files/{name}").status_code in (404, 405)


def test_files_survive_a_restart(serve: Serve, tmp_path: Path) -> None:
    """Files, texts and pieces are there again; an upload that was not processed yet is processed then."""
    first = serve(EchoEngine(), path=tmp_path / "lumnis.db", api_key="k")
    done = put(first, "a.txt")
    late = upload(first, "b.txt", "A late whale.").json()["file_id"]
    first.local.close()
    (tmp_path / "lumnis.db.files" / str(uuid4())).write_text("left over")
    second = serve(EchoEngine(), path=tmp_path / "lumnis.db", api_key="k")
    assert processed(second, late)["processing_status"] == "completed"
    assert second.ok("GET", f"/v1/files/{done['id']}/content")["text"] == TIDES
    assert [item["file"]["id"] for item in search(second, "whale")] == [late]
    assert {path.stem for path in (tmp_path / "lumnis.db.files").iterdir()} == {done["id"], late}
