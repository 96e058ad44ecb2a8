"""Files: what each call sends and reads. Uploads and downloads have tests of their own."""

from __future__ import annotations

import pytest

from lumnisai_core import AsyncClient, ContentType, FileScope, ProcessingStatus
from lumnisai_core.exceptions import (
    AuthenticationError,
    FileAccessDeniedError,
    FileNotFoundError,  # noqa: A004 - the platform's own name
    FileOperationError,
    LumnisAIError,
    NotFoundError,
    WaitTimeoutError,
)
from tests.core._async.rows import READER, Row, check_request, check_sparse_answer, table
from tests.servers import Canned, canned_server

ID = "a94d2e70-15c3-4b8f-b6d1-7e0f5c3a9d28"
TIME = "2026-03-02T09:15:00.104233+00:00"
FILE = {
    "id": ID,
    "tenant_id": "t",
    "user_id": None,
    "file_name": "tides_(1).pdf",
    "original_file_name": "tides.pdf",
    "file_type": "pdf",
    "mime_type": "application/pdf",
    "file_size": 12,
    "file_scope": "tenant",
    "processing_status": "embedding",
    "error_message": None,
    "total_chunks": 8,
    "chunks_embedded": 2,
    "tags": None,
    "blob_url": None,
    "created_at": TIME,
    "updated_at": TIME,
}
LIST = {"files": [FILE], "total_count": 1, "page": 1, "limit": 20, "has_more": False}
CHUNK = {
    "id": "c",
    "chunk_index": 3,
    "chunk_text": "Neap tides follow the quarters.",
    "start_line": 4,
    "end_line": 5,
    "token_count": None,
    "metadata": None,
    "similarity_score": 0.75,
}
FOUND = {"results": [{"file": FILE, "chunks": [CHUNK], "overall_score": 0.8}], "total_count": 1, "query": "neap"}
STATUS = {
    "status": "embedding",
    "progress_percentage": 25.0,
    "chunks_embedded": 2,
    "total_chunks": 8,
    "estimated_time_remaining_seconds": 3,
    "error_message": None,
    "jobs": None,
}
CONTENT = {"file_id": ID, "content_type": "text", "text": "b\nc", "metadata": {}, "start_line": 2, "end_line": 3}
MINE = {"user_id": READER}
TENANT = {"scope": "tenant"}

FILES = [
    Row(
        lambda client: client.get_file(ID),
        f"GET /v1/files/{ID}",
        query=MINE,
        full=FILE,
        sparse={"id": ID, "file_scope": "planet", "total_chunks": None},
        read={
            "it.file_scope": FileScope.TENANT,
            "it.processing_status": ProcessingStatus.EMBEDDING,
            "it.progress_percentage": 25.0,
            "it.tags": [],
        },
    ),
    Row(
        lambda client: client.files.get(ID, user_id="other@example.org"),
        f"GET /v1/files/{ID}",
        query={"user_id": "other@example.org"},
        full={**FILE, "chunks_embedded": 9},
        sparse={"id": ID},
        read={"it.progress_percentage": 100.0},
    ),
    Row(
        lambda client: client.files.get(ID),
        f"GET /v1/files/{ID}",
        full={**FILE, "total_chunks": 0},
        sparse={"id": ID},
        read={"it.progress_percentage": 0.0},
        client=TENANT,
    ),
    Row(
        lambda client: client.list_files(),
        "GET /v1/files",
        query={**MINE, "page": "1", "limit": "20"},
        full=LIST,
        sparse={"files": [None, {"id": ID, "tags": "odd"}]},
        read={"[file.id for file in it.files]": [ID], "it.total": 1},
    ),
    Row(
        lambda client: client.list_files(
            scope=FileScope.USER, file_type="pdf", status="completed", tags=["Tides", "b "], page=2, limit=100
        ),
        "GET /v1/files",
        query={
            **MINE,
            "scope": "user",
            "file_type": "pdf",
            "status": "completed",
            "tags": "tides,b",
            "page": "2",
            "limit": "100",
        },
        full=LIST,
        sparse={},
    ),
    Row(
        lambda client: client.list_files(scope="tenant"),
        "GET /v1/files",
        query={"scope": "tenant", "page": "1", "limit": "20"},
        full=LIST,
        sparse={},
    ),
    Row(
        lambda client: client.update_file_scope(ID, "user"),
        f"PATCH /v1/files/{ID}/scope",
        body={"scope": "user", "user_id": READER},
        full={**FILE, "file_scope": "user"},
        sparse={"id": ID},
        read={"it.file_scope": FileScope.USER},
    ),
    Row(
        lambda client: client.files.update_scope(ID, FileScope.TENANT),
        f"PATCH /v1/files/{ID}/scope",
        body={"scope": "tenant"},
        full=FILE,
        sparse={"id": ID},
        client=TENANT,
    ),
    Row(
        lambda client: client.delete_file(ID),
        f"DELETE /v1/files/{ID}",
        query={"hard_delete": "true", **MINE},
        full={"message": "Deleted.", "file_id": ID, "hard_delete": True},
        read={"(it.file_id, it.hard_delete)": (ID, True)},
    ),
    Row(
        lambda client: client.delete_file(ID, hard_delete=False),
        f"DELETE /v1/files/{ID}",
        query={"hard_delete": "false", **MINE},
        full=None,
        read={"(it.file_id, it.hard_delete)": (ID, False)},
    ),
    Row(
        lambda client: client.bulk_delete_files([ID, "other"]),
        "DELETE /v1/files/bulk",
        query={"hard_delete": "true", **MINE},
        body={"file_ids": [ID, "other"]},
        full={"deleted": [ID], "failed": ["other"], "hard_delete": True, "total_requested": 2},
        sparse={"deleted": None},
        read={"(it.deleted, it.failed)": ([ID], ["other"])},
    ),
    Row(
        lambda client: client.search_files("neap"),
        "POST /v1/files/search",
        body={"query": "neap", "limit": 10, "min_score": 0.0, **MINE},
        full=FOUND,
        sparse={"results": [{"file": None}, {"file": {"id": ID}, "chunks": None}]},
        read={"it.results[0].file.id": ID, "it.results[0].chunks[0].similarity_score": 0.75},
    ),
    Row(
        lambda client: client.search_files(
            "neap", limit=50, min_score=0.5, file_types=["pdf"], tags="A,b", scope="tenant"
        ),
        "POST /v1/files/search",
        body={"query": "neap", "limit": 50, "min_score": 0.5, "file_types": ["pdf"], "tags": ["a", "b"]},
        full=FOUND,
        sparse={},
    ),
    Row(
        lambda client: client.get_file_content(ID, content_type="text", start_line=2, end_line=3),
        f"GET /v1/files/{ID}/content",
        query={**MINE, "content_type": "text", "start_line": "2", "end_line": "3"},
        full=CONTENT,
        sparse={"text": None, "content_type": "poem"},
        read={"it.text": "b\nc", "it.content_type": ContentType.TEXT, "it.start_line": 2},
    ),
    Row(
        lambda client: client.get_file_status(ID),
        f"GET /v1/files/{ID}/status",
        query=MINE,
        full=STATUS,
        sparse={"status": "resting", "progress_percentage": None, "chunks_embedded": 1, "total_chunks": 4},
        read={"it.status": ProcessingStatus.EMBEDDING, "it.progress_percentage": 25.0, "it.jobs": []},
    ),
    Row(
        lambda client: client.get_file_statistics(),
        "GET /v1/files/statistics",
        full={"total_files": 1, "total_size_bytes": 12, "files_by_type": {"pdf": 1}, "average_file_size_bytes": 12},
        sparse={"files_by_type": None},
        read={"it.files_by_type": {"pdf": 1}},
    ),
]


@table(FILES)
async def test_requests_are_as_documented(row: Row) -> None:
    """Method, path, query and body arrive as documented, and the documented answer is read."""
    await check_request(row)


@table(FILES)
async def test_sparse_and_odd_answers_are_read(row: Row) -> None:
    """Missing, null, new and invalid fields do not fail the call."""
    if row.sparse is not None:
        await check_sparse_answer(row)


@pytest.mark.parametrize(
    ("status", "kind", "also"),
    [
        (404, FileNotFoundError, NotFoundError),
        (403, FileAccessDeniedError, AuthenticationError),
        (401, AuthenticationError, AuthenticationError),
    ],
)
@pytest.mark.parametrize("name", ["get", "get_content", "get_status", "download", "delete", "wait_until_processed"])
async def test_row_45_every_file_call_raises_file_errors(
    name: str, status: int, kind: type[LumnisAIError], also: type[LumnisAIError]
) -> None:
    """404 and 403 are errors about files, and remain what they are elsewhere; 401 is about the key."""
    refusal = Canned(status, {"error": {"code": "SAID", "message": "No."}}, {"X-Request-ID": "req-1"})
    with canned_server([refusal]) as server:
        async with AsyncClient("lmn_test_key", base_url=server.base_url, user_id="u") as client:
            with pytest.raises(also) as caught:
                await getattr(client.files, name)(ID)
    error = caught.value
    assert type(error) is kind
    assert isinstance(error, FileOperationError) is (status != 401)
    assert (error.status_code, error.code, error.request_id) == (status, "SAID", "req-1")


async def test_waiting_ends_when_a_file_is_processed() -> None:
    """States on the way are waited for, and success in part is success."""
    states = [Canned(body={"status": state}) for state in ("pending", "parsing", "dreaming", "partial_success")]
    with canned_server(states) as server:
        async with AsyncClient("lmn_test_key", base_url=server.base_url, user_id="u") as client:
            status = await client.files.wait_until_processed(ID, poll_interval=0.01)
    assert (status.status, len(server.received)) == ("partial_success", 4)
    assert {received.path for received in server.received} == {f"/v1/files/{ID}/status?user_id=u"}


async def test_waiting_ends_when_processing_fails() -> None:
    """The error has the reason of the service."""
    failed = {"status": "error", "error_message": "The PDF is encrypted."}
    with canned_server([Canned(body=failed)]) as server:
        async with AsyncClient("lmn_test_key", base_url=server.base_url, user_id="u") as client:
            with pytest.raises(FileOperationError, match=f"{ID} could not be processed: The PDF is encrypted"):
                await client.files.wait_until_processed(ID)


async def test_waiting_for_a_file_has_a_deadline() -> None:
    """The error is a TimeoutError and says how to wait again; the status was read before and after the wait."""
    with canned_server([Canned(body={"status": "parsing"})]) as server:
        async with AsyncClient("lmn_test_key", base_url=server.base_url, user_id="u") as client:
            with pytest.raises(WaitTimeoutError, match=r"still parsing after 0.1 s.*wait again") as caught:
                await client.files.wait_until_processed(ID, timeout=0.1, poll_interval=0.04)
    assert isinstance(caught.value, TimeoutError)
    assert 3 <= len(server.received) <= 4
