"""Files that agents can read and search: ``/v1/files``."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from lumnisai_core._transport._async.resource import AsyncResource
from lumnisai_core._transport.answer import model, nothing
from lumnisai_core._transport.call import Call, Form
from lumnisai_core._transport.checks import (
    check_seconds,
    member,
    not_none,
    number_between,
    numbered_page_query,
    optional_member,
    optional_texts,
    path,
    text,
    texts,
    whole_number_between,
)
from lumnisai_core._transport.upload import FileInput, NamedFile, form_file
from lumnisai_core._transport.waiting import async_sleep
from lumnisai_core.exceptions import MissingUserId, ValidationError, WaitTimeoutError
from lumnisai_core.lumnis.calls import files as calls
from lumnisai_core.lumnis.config import Settings, user_id_from, user_of_call
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
from lumnisai_core.lumnis.models.requests import Scope

T = TypeVar("T")

_ROUTE = "/v1/files"
_ONE = "/v1/files/{}"
_MOST_RESULTS = 50


class AsyncFiles(AsyncResource[Settings]):
    """Upload, find, read and delete files. Available as ``client.files``.

    Uploads, lists and searches follow the client's scope: in user scope they use the files of a user, in tenant scope
    those of the tenant. A single file has a scope of its own: pass its id and, if it belongs to a user, that user (the
    ``user_id`` of the call or of the client).
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
        """Upload a file, which is read while it is sent (POST /v1/files/upload).

        The service processes it afterwards; see :meth:`wait_until_processed`.

        Args:
            file: A path, also of a named pipe, bytes, or a file or stream opened for reading bytes.
            file_path: A path, instead of ``file``.
            file_content: Bytes or a stream, instead of ``file``.
            file_name: Name of the file. Default: the name of the path or of the opened file.
            scope: Who can see the file, ``user`` or ``tenant``. Default: the client's scope.
            user_id: Owner of the file. Required in user scope.
            tags: Up to 10 tags of up to 50 characters, stored in lower case.
            duplicate_handling: What to do if a file with the same name exists: ``suffix`` (default) adds a number,
                ``replace``, ``skip`` or ``error``.

        Raises:
            ValidationError: The file cannot be read, has become shorter meanwhile, or an argument is invalid.
            MissingUserId: User scope without a user.
        """
        fields = calls.upload_fields(user_of_call(self._settings, user_id=user_id, scope=scope), tags)
        fields["duplicate_handling"] = str(member(DuplicateHandling, "duplicate_handling", duplicate_handling))
        part = form_file("file", calls.chosen_file(file, file_path, file_content), file_name)
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
            scope: Who can see the files, ``user`` or ``tenant``. Default: the client's scope.
            user_id: Owner of the files. Required in user scope.
            tags: Up to 10 tags of up to 50 characters, for all files.

        Returns:
            The files that were accepted, and those that were refused with the reasons.

        Raises:
            ValidationError: The file cannot be read, or an argument is invalid.
            MissingUserId: User scope without a user.
        """
        if isinstance(files, str | bytes | PathLike) or not files:
            raise ValidationError("files must be a list of at least one file.")
        fields = calls.upload_fields(user_of_call(self._settings, user_id=user_id, scope=scope), tags)
        form = Form(fields, [form_file("files", file) for file in files])
        return await self._send(Call("POST", _ROUTE + "/bulk-upload", model(BulkUploadResult), form=form))

    async def get(self, file_id: str | UUID, *, user_id: str | UUID | None = None) -> FileMetadata:
        """Return a file's metadata (GET /v1/files/{id}).

        Args:
            file_id: Id of the file.
            user_id: Owner of the file, unless it belongs to the tenant.

        Raises:
            FileNotFoundError: The file does not exist.
            FileAccessDeniedError: The file belongs to another user.
        """
        return await self._get(FileMetadata, path(_ONE, file_id), user_id=self._user(user_id))

    async def get_content(
        self,
        file_id: str | UUID,
        *,
        content_type: ContentType | str | None = None,
        start_line: int | None = None,
        end_line: int | None = None,
        user_id: str | UUID | None = None,
    ) -> FileContentResult:
        """Return the text of a file or of a range of its lines (GET /v1/files/{id}/content).

        Args:
            file_id: Id of the file.
            content_type: ``text``, ``transcript``, ``summary`` or ``structured``. Default: the service's choice.
            start_line: First line, counted from 1.
            end_line: Last line, inclusive.
            user_id: Owner of the file, unless it belongs to the tenant.

        Raises:
            ValidationError: The range of lines is invalid.
            FileNotFoundError: The file does not exist.
            FileAccessDeniedError: The file belongs to another user.
        """
        kind, lines = optional_member(ContentType, "content_type", content_type), calls.line_range(start_line, end_line)
        route = path(_ONE + "/content", file_id)
        return await self._get(FileContentResult, route, user_id=self._user(user_id), content_type=kind, **lines)

    async def get_status(self, file_id: str | UUID, *, user_id: str | UUID | None = None) -> FileProcessingStatus:
        """Return the state of a file's processing (GET /v1/files/{id}/status).

        Args:
            file_id: Id of the file.
            user_id: Owner of the file, unless it belongs to the tenant.

        Raises:
            FileNotFoundError: The file does not exist.
            FileAccessDeniedError: The file belongs to another user.
        """
        return await self._get(FileProcessingStatus, path(_ONE + "/status", file_id), user_id=self._user(user_id))

    async def get_statistics(self) -> FileStatistics:
        """Return totals over all files of the tenant (GET /v1/files/statistics)."""
        return await self._get(FileStatistics, _ROUTE + "/statistics")

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
            user_id: Owner of the files. Required in user scope.
            scope: ``user`` or ``tenant`` instead of the client's scope; lists only files of that scope.
            file_type: Only files with this extension, such as ``pdf``.
            status: Only files with this processing status.
            tags: Only files with these tags.
            page: Number of the page, from 1.
            limit: Files on the page, 1 to 100.
        """
        return await self._get(
            FileList,
            _ROUTE,
            user_id=user_of_call(self._settings, user_id=user_id, scope=scope),
            scope=optional_member(FileScope, "scope", scope),
            file_type=file_type,
            status=optional_member(ProcessingStatus, "status", status),
            tags=calls.usable_tags(tags),
            **numbered_page_query(page=page, page_size=limit, size_name="limit"),
        )

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
        """Iterate over all files, with the filters of :meth:`list`.

        Args:
            user_id: Owner of the files. Required in user scope.
            scope: ``user`` or ``tenant`` instead of the client's scope; lists only files of that scope.
            file_type: Only files with this extension, such as ``pdf``.
            status: Only files with this processing status.
            tags: Only files with these tags.
            page_size: Files to fetch at a time, 1 to 100.
        """
        return self._iterate(
            lambda place: self.list(
                user_id=user_id,
                scope=scope,
                file_type=file_type,
                status=status,
                tags=tags,
                page=place.position,
                limit=place.size,
            ),
            page_size,
            numbered=True,
        )

    async def update_scope(
        self, file_id: str | UUID, scope: FileScope | Scope | str, *, user_id: str | UUID | None = None
    ) -> FileMetadata:
        """Change who can see a file; only its owner can do this (PATCH /v1/files/{id}/scope).

        Args:
            file_id: Id of the file.
            scope: ``user`` or ``tenant``.
            user_id: Owner of the file, or its new owner. Required for ``user``, unless the client has a user.

        Raises:
            MissingUserId: Scope ``user`` without a user.
            FileNotFoundError: The file does not exist.
            FileAccessDeniedError: The file belongs to another user.
        """
        new_scope = member(FileScope, "scope", scope)
        user = self._user(user_id)
        if new_scope is FileScope.USER and user is None:
            raise MissingUserId("A file with scope user needs a user: pass user_id=... or use client.for_user(...).")
        body = not_none(scope=str(new_scope), user_id=user)
        return await self._send(Call("PATCH", path(_ONE + "/scope", file_id), model(FileMetadata), body=body))

    async def delete(
        self, file_id: str | UUID, *, hard_delete: bool = True, user_id: str | UUID | None = None
    ) -> FileDeleteResult:
        """Delete a file (DELETE /v1/files/{id}).

        Args:
            file_id: Id of the file.
            hard_delete: Whether to remove the file for good (default) or only hide it.
            user_id: Owner of the file, unless it belongs to the tenant.

        Raises:
            FileNotFoundError: The file does not exist.
            FileAccessDeniedError: The file belongs to another user.
        """
        query = {"hard_delete": hard_delete, "user_id": self._user(user_id)}
        return await self._send(Call("DELETE", path(_ONE, file_id), calls.deletion(file_id, hard_delete), query=query))

    async def bulk_delete(
        self, file_ids: Sequence[str | UUID], *, hard_delete: bool = True, user_id: str | UUID | None = None
    ) -> BulkDeleteResult:
        """Delete several files with one request (DELETE /v1/files/bulk).

        Args:
            file_ids: Ids of the files.
            hard_delete: Whether to remove the files for good (default) or only hide them.
            user_id: Owner of the files, unless they belong to the tenant.

        Returns:
            The ids of the files that were deleted and of those that were not.

        Raises:
            ValidationError: ``file_ids`` is empty.
        """
        query = {"hard_delete": hard_delete, "user_id": self._user(user_id)}
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
            query: Search query.
            limit: Maximum number of files, 1 to 50.
            min_score: Minimum score of a result, 0 to 1.
            file_types: Only files with these extensions.
            tags: Only files with these tags.
            user_id: Owner of the files. Required in user scope.
            scope: ``user`` or ``tenant`` instead of the client's scope.

        Raises:
            ValidationError: An argument is invalid.
            MissingUserId: User scope without a user.
        """
        body = not_none(
            query=text("query", query),
            limit=whole_number_between("limit", limit, 1, _MOST_RESULTS),
            min_score=number_between("min_score", min_score, 0, 1),
            file_types=optional_texts("file_types", file_types),
            tags=calls.usable_tags(tags),
            user_id=user_of_call(self._settings, user_id=user_id, scope=scope),
        )
        return await self._send(Call("POST", _ROUTE + "/search", model(FileSearchResults), body=body, idempotent=True))

    async def download(self, file_id: str | UUID, *, user_id: str | UUID | None = None) -> bytes:
        """Return the bytes of a file (GET /v1/files/{id}/download).

        Args:
            file_id: Id of the file.
            user_id: Owner of the file, unless it belongs to the tenant.

        Raises:
            FileNotFoundError: The file does not exist.
            FileAccessDeniedError: The file belongs to another user.
        """
        with calls.file_errors():
            return await self._transport.download(self._download_call(file_id, user_id))

    async def download_to(
        self, file_id: str | UUID, target: str | PathLike[str], *, user_id: str | UUID | None = None
    ) -> Path:
        """Write a file to a path without loading it into memory (GET /v1/files/{id}/download).

        Args:
            file_id: Id of the file.
            target: Path to write to. The file appears only once it is complete.
            user_id: Owner of the file, unless it belongs to the tenant.

        Raises:
            ValidationError: The target is a folder or cannot be written.
            FileNotFoundError: The file does not exist.
            FileAccessDeniedError: The file belongs to another user.
        """
        with calls.file_errors():
            return await self._transport.download_to(self._download_call(file_id, user_id), Path(target))

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
            user_id: Owner of the file, unless it belongs to the tenant.
            timeout: Seconds to wait at most.
            poll_interval: Seconds between two polls.

        Returns:
            The last status: ``completed`` or ``partial_success``.

        Raises:
            FileOperationError: Processing failed; the message has the reason.
            WaitTimeoutError: The file is not processed after ``timeout``; processing continues.
            FileNotFoundError: The file does not exist.
        """
        check_seconds("timeout", timeout, endless=True)
        check_seconds("poll_interval", poll_interval)
        deadline = time.monotonic() + timeout
        while True:
            status = await self.get_status(file_id, user_id=user_id)
            if calls.is_processed(file_id, status):
                return status
            left = deadline - time.monotonic()
            if left <= 0:
                raise WaitTimeoutError(
                    f"The file {file_id} is still {status.status} after {timeout:g} s. Processing continues: wait "
                    "again with client.files.wait_until_processed(...)."
                )
            await async_sleep(min(poll_interval, left))

    def _download_call(self, file_id: str | UUID, user_id: str | UUID | None) -> Call[Any]:
        return Call("GET", path(_ONE + "/download", file_id), nothing, query={"user_id": self._user(user_id)})

    def _user(self, user_id: str | UUID | None) -> str | None:
        # The scope of the client is irrelevant, because a file has its own.
        return user_id_from(user_id) or self._settings.user_id

    async def _send(self, call: Call[T]) -> T:
        with calls.file_errors():
            return await super()._send(call)
