# Generated from lumnisai_core/lumi/_async/tools.py by `make sync`; edit that file.
"""Tools and functions at Lumi.new: e-mail, files, texts, images."""

from __future__ import annotations

import time
from collections.abc import (
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, overload

from lumnisai_core._transport._sync.resource import Resource
from lumnisai_core._transport._sync.stream import Stream
from lumnisai_core._transport.call import QueryValue
from lumnisai_core._transport.checks import check_seconds
from lumnisai_core._transport.lines import RawBytes
from lumnisai_core._transport.upload import FileInput, NamedFile
from lumnisai_core._transport.waiting import sleep
from lumnisai_core.exceptions import LumnisAIError, WaitTimeoutError
from lumnisai_core.lumi.calls import tools
from lumnisai_core.lumi.calls.tools import Messages, ResponseType
from lumnisai_core.lumi.config import LumiService
from lumnisai_core.lumi.models import (
    GeneratedImage,
    GeneratedText,
    GenerationStatus,
    TextEvent,
    UploadedFile,
)
from lumnisai_core.lumi.streams import EventStreamBytes, TextReader


class Email(Resource[LumiService]):
    """E-mail of the application."""

    def send(
        self,
        to: str | Sequence[str],
        subject: str,
        html: str | None = None,
        text: str | None = None,
        *,
        from_name: str | None = None,
        reply_to: str | Sequence[str] | None = None,
        scheduled_at: datetime | str | None = None,
    ) -> None:
        """Send an e-mail. The service accepts it here, and delivers it later.

        Args:
            to: Address, or several.
            subject: Subject.
            html: The text as HTML.
            text: The plain text. One of both is needed.
            from_name: Name of the sender.
            reply_to: Address for replies, or several.
            scheduled_at: When to send it: a time with a zone, or ISO 8601. It cannot be cancelled.
        """
        self._send(
            tools.send_email(
                self._settings.project_id,
                to=to,
                subject=subject,
                html=html,
                text_body=text,
                from_name=from_name,
                reply_to=reply_to,
                scheduled_at=scheduled_at,
            )
        )


class File(Resource[LumiService]):
    """Files of the application."""

    def upload(self, files: Iterable[FileInput | NamedFile]) -> Sequence[UploadedFile]:
        """Upload files in one request; they are read while they are sent.

        Args:
            files: Paths, files opened for reading bytes, or pairs of a name and bytes, path or opened file.

        Returns:
            The outcome of each, in the same order: its address, or why it was refused.
        """
        return self._send(tools.upload(self._settings.project_id, files))

    def delete(self, urls: Sequence[str]) -> None:
        """Delete uploaded files.

        Args:
            urls: Their addresses.
        """
        self._send(tools.delete_files(self._settings.project_id, urls))


class Ai(Resource[LumiService]):
    """Texts and images from models. They need ``LUMI_API_KEY``."""

    def generate_text(
        self, messages: Messages, model: str | None = None, *, timeout: float | None = None
    ) -> GeneratedText:
        """Let a model answer.

        Args:
            messages: The whole conversation as dicts with ``role`` (``system``, ``user`` or ``assistant``),
                ``content``, and pictures as ``medias``: dicts with ``mime_type`` and ``url``. A string is one message
                of the user.
            model: Name of the model. Default: ``gemini-2.5-flash``.
            timeout: Seconds to wait for the answer instead of the client's setting.
        """
        call = tools.generate_text(self._settings.project_id, self._settings.api_key, messages, model)
        return self._transport.send(call, timeout=_checked(timeout))

    def generate_text_stream(
        self, messages: Messages, model: str | None = None, *, timeout: float | None = None
    ) -> Stream[bytes]:
        """Let a model answer piece by piece, as the bytes of an event stream: pass them on, or to ``parse_stream``.

        Nothing is sent before the first piece is requested. Leaving the ``with`` block closes the connection.

        Args:
            messages: The whole conversation, as for ``generate_text``.
            model: Name of the model. Default: ``gemini-2.5-flash``.
            timeout: Seconds to wait for the next piece instead of the client's setting.
        """
        call = tools.stream_text(self._settings.project_id, self._settings.api_key, messages, model)
        return self._transport.stream(call, EventStreamBytes, timeout=_checked(timeout))

    def parse_stream(self, stream: Iterable[bytes]) -> Stream[TextEvent]:
        """Read the bytes of ``generate_text_stream``, also when they come through a function.

        Each event holds the text that is new, whether the service sends new pieces or the whole text each time.

        Args:
            stream: The bytes. They are closed with the returned iterator.

        Returns:
            An iterator that is a context manager too.

        Raises:
            TruncatedStreamError: The stream broke off, or an event cannot be read.
            LumnisAIError: The service reports an error inside the stream, with its ``code``.
        """
        return Stream(_events(TextReader(self._settings), stream))

    def generate_image(
        self, messages: Messages, model: str | None = None, *, timeout: float = 300.0, poll_interval: float = 1.0
    ) -> GeneratedImage:
        """Let a model draw, and wait for the image.

        Args:
            messages: The description, as for ``generate_text``.
            model: Name of the model. Default: ``gemini-2.5-flash-image``.
            timeout: Seconds to wait.
            poll_interval: Seconds before the first look; later pauses grow up to five times as long.

        Returns:
            The image, or its failure: ``generation_status`` is ``SUCCESS`` or ``FAILED``.

        Raises:
            WaitTimeoutError: It is not ready in time. ``get_image`` reads it later.
        """
        check_seconds("timeout", timeout)
        check_seconds("poll_interval", poll_interval)
        end = time.monotonic() + timeout
        call = tools.start_image(self._settings.project_id, self._settings.api_key, messages, model)
        image = self._transport.send(call, total=timeout)
        for pause in tools.image_pauses(poll_interval):
            if image.generation_status != GenerationStatus.PROCESSING:
                break
            left = end - time.monotonic()
            if left <= pause:
                raise WaitTimeoutError(
                    f"The image {image.message_id} is not ready after {timeout:g} s; "
                    f"tools.ai.get_image({image.message_id!r}) reads it later."
                )
            sleep(pause)
            poll = tools.get_image(self._settings.project_id, self._settings.api_key, image.message_id)
            image = self._transport.send(poll, total=left - pause)
        return image

    def get_image(self, message_id: str) -> GeneratedImage:
        """Return an image, or how far it is.

        Args:
            message_id: ``message_id`` of the image.
        """
        return self._send(tools.get_image(self._settings.project_id, self._settings.api_key, message_id))


class Tools(Resource[LumiService]):
    """E-mail, files, and texts and images from models."""

    @cached_property
    def email(self) -> Email:
        """E-mail."""
        return Email(self._transport, self._settings)

    @cached_property
    def file(self) -> File:
        """Files."""
        return File(self._transport, self._settings)

    @cached_property
    def ai(self) -> Ai:
        """Texts and images from models."""
        return Ai(self._transport, self._settings)


class Functions(Resource[LumiService]):
    """Functions of the application."""

    @overload
    def invoke(
        self,
        name: str,
        *,
        method: str | None = None,
        query: Mapping[str, QueryValue] | None = None,
        body: Any = None,
        form: Mapping[str, str] | None = None,
        files: Iterable[FileInput | NamedFile] | None = None,
        headers: Mapping[str, str] | None = None,
        response_type: Literal["stream"],
        timeout: float | None = None,
    ) -> Stream[bytes]: ...

    @overload
    def invoke(
        self,
        name: str,
        *,
        method: str | None = None,
        query: Mapping[str, QueryValue] | None = None,
        body: Any = None,
        form: Mapping[str, str] | None = None,
        files: Iterable[FileInput | NamedFile] | None = None,
        headers: Mapping[str, str] | None = None,
        response_type: Literal["json", "text", "bytes"] | None = None,
        timeout: float | None = None,
    ) -> Any: ...

    def invoke(
        self,
        name: str,
        *,
        method: str | None = None,
        query: Mapping[str, QueryValue] | None = None,
        body: Any = None,
        form: Mapping[str, str] | None = None,
        files: Iterable[FileInput | NamedFile] | None = None,
        headers: Mapping[str, str] | None = None,
        response_type: ResponseType | None = None,
        timeout: float | None = None,
    ) -> Any | Stream[bytes]:
        """Call a function of the application, for the signed-in user.

        Args:
            name: Name of the function.
            method: HTTP method. Default: GET, or POST with a content.
            query: Query parameters; a list repeats its parameter.
            body: JSON value, or a string or bytes to send as they are.
            form: Fields of a form, instead of a body.
            files: Files of that form, in its field ``files``.
            headers: Headers; an ``Authorization`` among them wins over the user's token.
            response_type: ``json``, ``text``, ``bytes``, or ``stream`` for an iterator over bytes. Default: by the
                content type of the answer.
            timeout: Seconds to wait for the answer, or for the next bytes, instead of the client's setting.

        Returns:
            What the function returns: JSON data, text or bytes; None if it returns nothing.

        Raises:
            LumnisAIError: The function, or the way to it, answers with an error status.
        """
        call = tools.invoke(
            self._settings.project_id,
            name,
            method=method,
            query=query,
            body=body,
            form=form,
            files=files,
            headers=headers,
            response_type=response_type,
        )
        if response_type == "stream":
            return self._transport.stream(call.read_by(bytes), RawBytes, timeout=_checked(timeout))
        return self._transport.send(call, timeout=_checked(timeout))


def _checked(timeout: float | None) -> float | None:
    if timeout is not None:
        check_seconds("timeout", timeout)
    return timeout


def _events(reader: TextReader, stream: Iterable[bytes]) -> Generator[TextEvent, None]:
    """Yield the events of a stream, and close it at the end."""
    chunks = stream.__iter__()
    try:
        for chunk in chunks:
            for event in reader.feed(chunk):
                yield event
        for event in reader.finish():
            yield event
    except LumnisAIError:
        for event in reader.rest():
            yield event
        raise
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
