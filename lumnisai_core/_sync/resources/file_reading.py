# Generated from lumnisai_core/_async/resources/file_reading.py by `make sync`: change that file, not this one.
"""Reading single files and following their processing: the second half of ``/v1/files``."""

from __future__ import annotations

import time
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from lumnisai_core._answer import model, nothing
from lumnisai_core._call import Call, path
from lumnisai_core._checks import check_seconds, optional_member
from lumnisai_core._files import file_errors, is_processed, line_range, reader_of_file
from lumnisai_core._sync.resources.base import Resource
from lumnisai_core._waiting import sleep
from lumnisai_core.exceptions import WaitTimeoutError
from lumnisai_core.models.files import ContentType, FileContentResult, FileProcessingStatus

T = TypeVar("T")

_ONE = "/v1/files/{}"


class FileReading(Resource):
    """What can be done with one file that is there. Part of ``client.files``."""

    def _send(self, call: Call[T]) -> T:
        with file_errors():
            return super()._send(call)

    def get_content(
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
        return self._send(Call("GET", path(_ONE + "/content", file_id), model(FileContentResult), query=query))

    def download(self, file_id: str | UUID, *, user_id: str | UUID | None = None) -> bytes:
        """Return the bytes of a file (GET /v1/files/{id}/download).

        Args:
            file_id: Id of the file.
            user_id: Whose file it is, unless it belongs to the tenant.

        Raises:
            FileNotFoundError: There is no such file.
            FileAccessDeniedError: It belongs to another user.
        """
        with file_errors():
            return self._transport.download(self._download_call(file_id, user_id))

    def download_to(
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
            return self._transport.download_to(self._download_call(file_id, user_id), Path(target))

    def _download_call(self, file_id: str | UUID, user_id: str | UUID | None) -> Call[Any]:
        query = {"user_id": reader_of_file(self._settings, user_id)}
        return Call("GET", path(_ONE + "/download", file_id), nothing, query=query)

    def get_status(self, file_id: str | UUID, *, user_id: str | UUID | None = None) -> FileProcessingStatus:
        """Return how far the service is with a file (GET /v1/files/{id}/status).

        Args:
            file_id: Id of the file.
            user_id: Whose file it is, unless it belongs to the tenant.

        Raises:
            FileNotFoundError: There is no such file.
            FileAccessDeniedError: It belongs to another user.
        """
        query = {"user_id": reader_of_file(self._settings, user_id)}
        return self._send(Call("GET", path(_ONE + "/status", file_id), model(FileProcessingStatus), query=query))

    def wait_until_processed(
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
            status = self.get_status(file_id, user_id=user_id)
            if is_processed(file_id, status):
                return status
            left = deadline - time.monotonic()
            if left <= 0:
                raise WaitTimeoutError(
                    f"The file {file_id} is still {status.status} after {timeout:g} s. Processing goes on: wait again "
                    "with client.files.wait_until_processed(...)."
                )
            sleep(min(poll_interval, left))
