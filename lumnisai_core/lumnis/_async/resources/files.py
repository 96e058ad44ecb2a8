"""Files that agents can read and search: ``/v1/files``."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

from lumnisai_core._transport._async.resource import AsyncResource
from lumnisai_core._transport.answer import model, nothing
from lumnisai_core._transport.call import Call, Form, path
from lumnisai_core._transport.checks import (
    check_seconds,
    given,
    member,
    number_between,
    numbered_page_query,
    optional_member,
    optional_texts,
    text,
    texts,
)
from lumnisai_core._transport.checks import whole_number_between as whole
from lumnisai_core._transport.waiting import async_sleep
from lumnisai_core.exceptions import MissingUserId, ValidationError, WaitTimeoutError
from lumnisai_core.lumnis.calls.files import (
    FileInput,
    NamedFile,
    chosen_file,
    deletion,
    file_errors,
    form_file,
    is_processed,
    line_range,
    reader_of_file,
    upload_fields,
    usable_tags,
)
from lumnisai_core.lumnis.config import Settings, user_of_call
from lumnisai_core.lumnis.models.enums import Scope
from lumnisai_core.lumnis.models.files import (
    BulkDeleteResult,
    BulkUploadResult,
    ContentType,
    DuplicateHandling,
    FileContentResult,
    FileDeleteResult,
    FileList,
    FileMetadata,
    FileProcessingStatus,
    FileScope,
    FileSearchResults,
    FileStatistics,
    FileUploadResult,
    ProcessingStatus,
)

T = TypeVar("T")

_ONE = "/v1/files/{}"


class AsyncFileReading(AsyncResource[Settings]):
    """What can be done with one file that is there. Part of ``client.files``."""

    async def _send(self, call: Call[T]) -> T:
        with file_errors():
            return await super()._send(call)

    async def get_content(
        self,
        file_id: str | UUID,
        *,
        content_type: ContentType | str | None = None,
        start_line: int | None = None,
        end_line: int | None = None,
        user_id: str | UUID | None = None,
    ) -> FileContentResult:
        """Return the text of a file, or of some of its lines (GET /v1/files/{id}/content).

        Args:
            file_id: Id of the file.
            content_type: ``text``, ``transcript``, ``summary`` or ``structured``. Default: the service's choice.
            start_line: First line, counted from 1.
            end_line: Last line, included.
            user_id: Whose file it is, unless it belongs to the tenant.

        Raises:
            ValidationError: There are no such lines.
            FileNotFoundError: There is no such file.
            FileAccessDeniedError: It belongs to another user.
        """
        query = {
            "user_id": reader_of_file(self._settings, user_id),
            "content_type": optional_member(ContentType, "content_type", content_type),
            **line_range(start_line, end_line),
        }
        return await self._send(Call("GET", path(_ONE + "/content", file_id), model(FileContentResult), query=query))

    async def download(self, file_id: str | UUID, *, user_id: str | UUID | None = None) -> bytes:
        """Return the bytes of a file (GET /v1/files/{id}/download).

        Args:
            file_id: Id of the file.
            user_id: Whose file it is, unless it belongs to the tenant.

        Raises:
            FileNotFoundError: There is no such file.
            FileAccessDeniedError: It belongs to another user.
        """
        with file_errors():
            return await self._transport.download(self._download_call(file_id, user_id))

    async def download_to(
        self, file_id: str | UUID, target: str | PathLike[str], *, user_id: str | UUID | None = None
    ) -> Path:
        """Write a file to a path, without holding it in memory (GET /v1/files/{id}/download).

        Args:
            file_id: Id of the file.
            target: Path of the file to make. It exists only when it is complete.
            user_id: Whose file it is, unless it belongs to the tenant.

        Raises:
            FileNotFoundError: There is no such file.
            FileAccessDeniedError: It belongs to another user.
        """
        with file_errors():
            return await self._transport.download_to(self._download_call(file_id, user_id), Path(target))

    def _download_call(self, file_id: str | UUID, user_id: str | UUID | None) -> Call[Any]:
        query = {"user_id": reader_of_file(self._settings, user_id)}
        return Call("GET", path(_ONE + "/download", file_id), nothing, query=query)

    async def get_status(self, file_id: str | UUID, *, user_id: str | UUID | None = None) -> FileProcessingStatus:
        """Return how far the service is with a file (GET /v1/files/{id}/status).

        Args:
            file_id: Id of the file.
            user_id: Whose file it is, unless it belongs to the tenant.

        Raises:
            FileNotFoundError: There is no such file.
            FileAccessDeniedError: It belongs to another user.
        """
        query = {"user_id": reader_of_file(self._settings, user_id)}
        return await self._send(Call("GET", path(_ONE + "/status", file_id), model(FileProcessingStatus), query=query))

    async def wait_until_processed(
        self,
        file_id: str | UUID,
        *,
        user_id: str | UUID | None = None,
        timeout: float = 300.0,
        poll_interval: float = 1.0,
    ) -> FileProcessingStatus:
        """Wait until a file can be read and searched, at least in part.

        Args:
            file_id: Id of the file.
            user_id: Whose file it is, unless it belongs to the tenant.
            timeout: Seconds to wait at most.
            poll_interval: Seconds between two looks.

        Returns:
            The last status: ``completed`` or ``partial_success``.

        Raises:
            FileOperationError: Processing failed; the message has the reason.
            WaitTimeoutError: ``timeout`` is over; processing goes on.
            FileNotFoundError: There is no such file.
        """
        check_seconds("timeout", timeout, endless=True)
        check_seconds("poll_interval", poll_interval)
        deadline = time.monotonic() + timeout
        while True:
            status = await self.get_status(file_id, user_id=user_id)
            if is_processed(file_id, status):
                return status
            left = deadline - time.monotonic()
            if left <= 0:
                raise WaitTimeoutError(
                    f"The file {file_id} is still {status.status} after {timeout:g} s. Processing goes on: wait again "
                    "with client.files.wait_until_processed(...)."
                )
            await async_sleep(min(poll_interval, left))


_ROUTE = "/v1/files"
_MOST_RESULTS = 50


class AsyncFiles(AsyncFileReading):
    """Upload, find, read and delete files. Reached as ``client.files``.

    Uploads, lists and searches follow the client's scope: in user scope they are about the files of a user, in tenant
    scope about those of the tenant. A single file has its own scope; it is addressed by its id, and for a file of a
    user in that user's name: the ``user_id`` of the call or of the client.
    """

    async def upload(
        self,
        file: FileInput | None = None,
        *,
        file_path: str | PathLike[str] | None = None,
        file_content: FileInput | None = None,
        file_name: str | None = None,
        scope: FileScope | Scope | str | None = None,
        user_id: str | UUID | None = None,
        tags: str | Sequence[str] | None = None,
        duplicate_handling: DuplicateHandling | str = DuplicateHandling.SUFFIX,
    ) -> FileUploadResult:
        """Upload one file, which is read while it is sent (POST /v1/files/upload).

        The service then goes on to process it: :meth:`wait_until_processed`.

        Args:
            file: A path, bytes, or something opened for reading bytes.
            file_path: A path, instead of ``file``.
            file_content: Bytes or a stream, instead of ``file``.
            file_name: Name to show. Default: that of the path or of the opened file.
            scope: ``user`` or ``tenant``: who may see it. Default: the client's scope.
            user_id: Whose file it is. Needed in user scope.
            tags: Up to 10 tags of up to 50 characters; they are kept in lower case.
            duplicate_handling: What to do when there is a file of that name: ``suffix`` (default) adds a number,
                ``replace``, ``skip`` or ``error``.

        Raises:
            ValidationError: There is no such file, or an argument is not usable.
            MissingUserId: User scope and no user.
        """
        fields = upload_fields(self._settings, user_id=user_id, scope=scope, tags=tags)
        fields["duplicate_handling"] = str(member(DuplicateHandling, "duplicate_handling", duplicate_handling))
        part = form_file("file", chosen_file(file, file_path, file_content), file_name)
        form = Form(fields, [part])
        return await self._send(Call("POST", _ROUTE + "/upload", model(FileUploadResult), form=form))

    async def bulk_upload(
        self,
        files: Sequence[FileInput | NamedFile],
        *,
        scope: FileScope | Scope | str | None = None,
        user_id: str | UUID | None = None,
        tags: str | Sequence[str] | None = None,
    ) -> BulkUploadResult:
        """Upload several files with one request (POST /v1/files/bulk-upload).

        Args:
            files: Paths or opened files; bytes and streams without a name as ``(file name, content)``.
            scope: ``user`` or ``tenant``: who may see them. Default: the client's scope.
            user_id: Whose files they are. Needed in user scope.
            tags: Up to 10 tags of up to 50 characters, for all of them.

        Returns:
            The files that were taken, and those that were not with the reasons.

        Raises:
            ValidationError: There is no such file, or an argument is not usable.
            MissingUserId: User scope and no user.
        """
        if isinstance(files, str | bytes | PathLike) or not files:
            raise ValidationError("files must be a list of at least one file.")
        fields = upload_fields(self._settings, user_id=user_id, scope=scope, tags=tags)
        form = Form(fields, [form_file("files", file) for file in files])
        return await self._send(Call("POST", _ROUTE + "/bulk-upload", model(BulkUploadResult), form=form))

    async def get(self, file_id: str | UUID, *, user_id: str | UUID | None = None) -> FileMetadata:
        """Return what the service knows about a file (GET /v1/files/{id}).

        Args:
            file_id: Id of the file.
            user_id: Whose file it is, unless it belongs to the tenant.

        Raises:
            FileNotFoundError: There is no such file.
            FileAccessDeniedError: It belongs to another user.
        """
        query = {"user_id": reader_of_file(self._settings, user_id)}
        return await self._send(Call("GET", path(_ONE, file_id), model(FileMetadata), query=query))

    async def list(
        self,
        *,
        user_id: str | UUID | None = None,
        scope: FileScope | Scope | str | None = None,
        file_type: str | None = None,
        status: ProcessingStatus | str | None = None,
        tags: str | Sequence[str] | None = None,
        page: int = 1,
        limit: int = 20,
    ) -> FileList:
        """List files (GET /v1/files).

        Args:
            user_id: Whose files. Needed in user scope.
            scope: ``user`` or ``tenant`` instead of the client's scope; then only files of that scope.
            file_type: Only files with this extension, such as ``pdf``.
            status: Only files in this processing status.
            tags: Only files with these tags.
            page: Number of the page, from 1.
            limit: Files on the page, 1 to 100.
        """
        user = user_of_call(self._settings, user_id=user_id, scope=scope)
        query = {
            "user_id": user,
            "scope": optional_member(FileScope, "scope", scope),
            "file_type": file_type,
            "status": optional_member(ProcessingStatus, "status", status),
            "tags": usable_tags(tags),
            **numbered_page_query(page=page, page_size=limit, size_name="limit"),
        }
        return await self._send(Call("GET", _ROUTE, model(FileList), query=query))

    def iter(
        self,
        *,
        user_id: str | UUID | None = None,
        scope: FileScope | Scope | str | None = None,
        file_type: str | None = None,
        status: ProcessingStatus | str | None = None,
        tags: str | Sequence[str] | None = None,
        page_size: int = 20,
    ) -> AsyncIterator[FileMetadata]:
        """Iterate over all files; takes what :meth:`list` takes.

        Args:
            user_id: Whose files. Needed in user scope.
            scope: ``user`` or ``tenant`` instead of the client's scope; then only files of that scope.
            file_type: Only files with this extension, such as ``pdf``.
            status: Only files in this processing status.
            tags: Only files with these tags.
            page_size: Files fetched at a time, 1 to 100.
        """
        return self._iterate_numbered(
            lambda number: self.list(
                user_id=user_id,
                scope=scope,
                file_type=file_type,
                status=status,
                tags=tags,
                page=number,
                limit=page_size,
            )
        )

    async def update_scope(
        self, file_id: str | UUID, scope: FileScope | Scope | str, *, user_id: str | UUID | None = None
    ) -> FileMetadata:
        """Change who may see a file; only its owner may (PATCH /v1/files/{id}/scope).

        Args:
            file_id: Id of the file.
            scope: ``user`` or ``tenant``.
            user_id: Whose file it is or becomes. Needed for ``user``, unless the client has a user.

        Raises:
            MissingUserId: The scope is ``user`` and there is no user.
            FileNotFoundError: There is no such file.
            FileAccessDeniedError: It belongs to another user.
        """
        wanted = member(FileScope, "scope", scope)
        user = reader_of_file(self._settings, user_id)
        if wanted is FileScope.USER and user is None:
            raise MissingUserId("A file of one user needs the user: pass user_id=... or use client.for_user(...).")
        body = given(scope=str(wanted), user_id=user)
        return await self._send(Call("PATCH", path(_ONE + "/scope", file_id), model(FileMetadata), body=body))

    async def delete(
        self, file_id: str | UUID, *, hard_delete: bool = True, user_id: str | UUID | None = None
    ) -> FileDeleteResult:
        """Delete a file (DELETE /v1/files/{id}).

        Args:
            file_id: Id of the file.
            hard_delete: Whether it is gone for good (default) or only hidden.
            user_id: Whose file it is, unless it belongs to the tenant.

        Raises:
            FileNotFoundError: There is no such file.
            FileAccessDeniedError: It belongs to another user.
        """
        query = {"hard_delete": hard_delete, "user_id": reader_of_file(self._settings, user_id)}
        return await self._send(Call("DELETE", path(_ONE, file_id), deletion(file_id, hard_delete), query=query))

    async def bulk_delete(
        self, file_ids: Sequence[str | UUID], *, hard_delete: bool = True, user_id: str | UUID | None = None
    ) -> BulkDeleteResult:
        """Delete several files with one request (DELETE /v1/files/bulk).

        Args:
            file_ids: Ids of the files.
            hard_delete: Whether they are gone for good (default) or only hidden.
            user_id: Whose files they are, unless they belong to the tenant.

        Returns:
            The ids of the files that were deleted, and of those that were not.

        Raises:
            ValidationError: There is no id.
        """
        query = {"hard_delete": hard_delete, "user_id": reader_of_file(self._settings, user_id)}
        body = {"file_ids": texts("file_ids", file_ids)}
        return await self._send(Call("DELETE", _ROUTE + "/bulk", model(BulkDeleteResult), query=query, body=body))

    async def search(
        self,
        query: str,
        *,
        limit: int = 10,
        min_score: float = 0.0,
        file_types: Sequence[str] | None = None,
        tags: str | Sequence[str] | None = None,
        user_id: str | UUID | None = None,
        scope: Scope | str | None = None,
    ) -> FileSearchResults:
        """Search the text of files (POST /v1/files/search).

        Args:
            query: What to look for.
            limit: Most files to return, 1 to 50.
            min_score: Least score of a result, 0 to 1.
            file_types: Only files with these extensions.
            tags: Only files with these tags.
            user_id: Whose files. Needed in user scope.
            scope: ``user`` or ``tenant`` instead of the client's scope.

        Raises:
            ValidationError: An argument is not usable.
            MissingUserId: User scope and no user.
        """
        body = given(
            query=text("query", query),
            limit=whole("limit", limit, 1, _MOST_RESULTS),
            min_score=number_between("min_score", min_score, 0, 1),
            file_types=optional_texts("file_types", file_types),
            tags=usable_tags(tags),
            user_id=user_of_call(self._settings, user_id=user_id, scope=scope),
        )
        # It changes nothing, so it may be tried again.
        key = str(uuid4())
        return await self._send(
            Call("POST", _ROUTE + "/search", model(FileSearchResults), body=body, idempotency_key=key)
        )

    async def get_statistics(self) -> FileStatistics:
        """Return numbers about all files of the tenant (GET /v1/files/statistics)."""
        return await self._send(Call("GET", _ROUTE + "/statistics", model(FileStatistics)))
