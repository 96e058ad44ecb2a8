"""Texts and images, made by the engines of the service."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from lumnisai_core.local.engines.base import Engine, EngineError, Message, RunRequest, SilentReport
from lumnisai_core.local.lumi.files import Files
from lumnisai_core.local.lumi.settings import LumiSettings
from lumnisai_core.local.lumi.shapes import Generate, ImageRow
from lumnisai_core.local.lumi.store import Store
from lumnisai_core.local.web.errors import ApiError, found
from lumnisai_core.local.web.ids import new_id, now_z
from lumnisai_core.local.web.json_text import written

_PIECE = re.compile(r"\s*\S+\s*|\s+")
_logger = logging.getLogger("lumnisai_core.local")


@dataclass(frozen=True, slots=True)
class Generated:
    """The text of a chat."""

    chat_id: str
    content: str


class Generation:
    """Answers chats and makes images.

    Args:
        settings: how streams end and fail, and how long an image takes.
        engine: answers chats.
        store: has the images.
        files: keeps the bytes of images.
    """

    def __init__(self, settings: LumiSettings, engine: Engine, store: Store, files: Files) -> None:
        self._settings = settings
        self._engine = engine
        self._store = store
        self._files = files

    async def text(self, body: Generate, user_id: str | None) -> Generated:
        """Return the answer to a chat.

        Raises:
            ApiError: the engine failed.
        """
        chat_id = new_id()
        messages = tuple(Message(one.role, one.content) for one in body.chat_messages)
        medias = [media for one in body.chat_messages for media in one.medias or ()]
        request = RunRequest(
            response_id=new_id(),
            thread_id=f"lumi-{chat_id}",
            tenant_id="lumi",
            user_id=user_id,
            messages=messages,
            input_messages=messages[-1:],
            files=tuple({"name": "media", "uri": media.url, "mime_type": media.mime_type} for media in medias),
        )
        try:
            result = await self._engine.run(request, SilentReport())
        except EngineError as error:
            raise ApiError(500, error.code, error.message) from error
        return Generated(chat_id, result.output_text or "")

    async def stream(self, body: Generate, user_id: str | None) -> AsyncIterator[str]:
        """Return the answer to a chat as the lines of an event stream, some words at a time.

        Raises:
            ApiError: the engine failed, and the settings do not want this in the stream.
        """
        if self._settings.stream_errors == "event":
            return self._lines(body, user_id, None)
        return self._lines(body, user_id, await self.text(body, user_id))

    async def _lines(self, body: Generate, user_id: str | None, ready: Generated | None) -> AsyncIterator[str]:
        try:
            answer = ready or await self.text(body, user_id)
        except ApiError as error:
            yield _event({"code": error.status, "message": error.message}, "error")
            return
        except Exception:
            _logger.exception("A stream of text failed")
            yield _event({"code": 500, "message": "The service failed to answer; its log has the reason."}, "error")
            return
        for piece in _PIECE.findall(answer.content) or [""]:
            yield _event({"chatId": answer.chat_id, "content": piece})
        if self._settings.stream_done:
            yield "data: [DONE]\n\n"

    async def start_image(self, body: Generate, user_id: str | None) -> ImageRow:
        """Make the image of a chat: a picture that depends on its texts; polls find it when the settings say so."""
        message_id = new_id()
        try:
            answer, failure = await self.text(body, user_id), ""
        except ApiError as error:
            answer, failure = None, error.message
        if answer is None:
            row = ImageRow(message_id, new_id(), failure, None, 0, now_z())
        else:
            seed = "\n".join(f"{one.role}: {one.content}" for one in body.chat_messages)
            file = await self._files.add_picture(seed, user_id)
            row = ImageRow(message_id, answer.chat_id, answer.content, file.id, 0, now_z())
        return self._store.images.add(row)

    def poll_image(self, message_id: str) -> tuple[ImageRow, bool]:
        """Return an image and whether it is finished, and count the poll.

        Raises:
            ApiError: there is none.
        """
        row = found(self._store.images.one(id=message_id), "image", message_id)
        self._store.images.change({"id": row.id}, polls=row.polls + 1)
        return row, row.polls >= self._settings.image_polls


def _event(data: object, name: str | None = None) -> str:
    return f"{f'event: {name}' + chr(10) if name else ''}data: {written(data)}\n\n"
