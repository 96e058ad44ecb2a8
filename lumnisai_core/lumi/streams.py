"""Streamed texts of Lumi.new: bytes of an event stream as pieces of text, and the errors inside of it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar, NoReturn

import pydantic

from lumnisai_core._transport.answer import Answer, Problem, error_for, nothing
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.lines import BrokenStream, RawBytes, ServerSentEvent, ServerSentEvents
from lumnisai_core._transport.secrets import redact
from lumnisai_core.exceptions import TruncatedStreamError
from lumnisai_core.lumi.config import LumiService, is_envelope
from lumnisai_core.lumi.models import GeneratedText, TextEvent

#: Names the stream in errors.
_STREAM: Call[None] = Call("Reading", "a stream of text", nothing)

#: Bytes of a stream without events that are kept to look for an error in them.
_KEPT = 1 << 16

_DONE = "[DONE]"


class EventStreamBytes(RawBytes):
    """The bytes of an event stream; an answer that is JSON instead is one whole answer, usually an error."""

    accept: ClassVar[str] = "text/event-stream"
    json_is_whole: ClassVar[bool] = True


class Deltas:
    """Turns pieces of a text, or the whole text so far each time, into what is new each time.

    A second piece that begins with the first one may be either. It is held until the third shows which.
    """

    def __init__(self) -> None:
        self._text = ""
        self._held: str | None = None
        self._is_whole: bool | None = None

    def feed(self, content: str) -> str:
        """Take the text of one event, and return what is new."""
        if self._is_whole is False or not content:
            return content
        if self._held is not None:
            return self._decide(content)
        if not self._text:
            self._text = content
            return content
        if content.startswith(self._text) and len(content) > len(self._text):
            if self._is_whole is None:
                self._held = content
                return ""
            new, self._text = content[len(self._text) :], content
            return new
        if self._is_whole is None:
            self._is_whole = False
            return content
        return "" if content == self._text else content

    def _decide(self, content: str) -> str:
        held, self._held = self._held or "", None
        self._is_whole = content.startswith(held) and content != held
        if not self._is_whole:
            return held + content
        new, self._text = content[len(self._text) :], content
        return new

    def finish(self) -> str:
        """Return what is held at the end: the rest of a whole text."""
        held, self._held = self._held, None
        return held[len(self._text) :] if held is not None else ""


class TextReader:
    """Reads the bytes of one streamed text.

    Args:
        service: Reads errors, and knows the secrets to keep out of them.
    """

    def __init__(self, service: LumiService) -> None:
        self._service = service
        self._parser = ServerSentEvents()
        self._deltas = Deltas()
        self._kept = b""
        self._count = 0
        self._chat_id = ""

    def feed(self, chunk: bytes) -> Iterator[TextEvent]:
        """Take some bytes and yield the events that they complete.

        Raises:
            TruncatedStreamError: An event cannot be read.
            LumnisAIError: The service reports an error.
        """
        if not self._count and len(self._kept) < _KEPT:
            self._kept += chunk
        try:
            for event in self._parser.feed(chunk):
                yield from self._event(event)
        except BrokenStream as broken:
            self._broken(str(broken))

    def finish(self) -> Iterator[TextEvent]:
        """Take the end of the stream and yield what was held.

        Raises:
            TruncatedStreamError: The stream ended in the middle of an event.
            LumnisAIError: The service sent an error instead of a stream.
        """
        if not self._count:
            self._check_error()
        try:
            for event in self._parser.finish():
                yield from self._event(event)
        except BrokenStream as broken:
            self._broken(str(broken))
        yield from self.rest()

    def _event(self, event: ServerSentEvent) -> Iterator[TextEvent]:
        """Yield the text of an event, also of one that reports an error, before the error is raised."""
        self._count += 1
        if event.data.strip() == _DONE:
            return
        data = event.json()
        problem = self._problem(event, data)
        if is_envelope(data) and isinstance(data.get("data"), dict):
            data = data["data"]
        if problem is None or (isinstance(data, dict) and isinstance(data.get("content"), str)):
            yield self._piece(event, data)
        if problem is not None:
            self._raise(problem)

    def _problem(self, event: ServerSentEvent, data: Any) -> Problem | None:
        """Return the error that an event reports: by a code other than 200, or by its name."""
        if is_envelope(data) and data["code"] != 200:
            return self._service.problem_of(data)
        return _problem_of(data) if event.event == "error" else None

    def _piece(self, event: ServerSentEvent, data: Any) -> TextEvent:
        try:
            piece = GeneratedText.model_validate(data)
        except pydantic.ValidationError:
            self._broken("an event is not an object")
        self._chat_id = piece.chat_id or self._chat_id
        content = self._deltas.feed(piece.content)
        name = None if event.event == "message" else event.event
        return TextEvent(name, piece.model_copy(update={"content": content}))

    def rest(self) -> Iterator[TextEvent]:
        """Yield the text that is held, at the end or before an error of the stream is raised."""
        if rest := self._deltas.finish():
            yield TextEvent(None, GeneratedText(chat_id=self._chat_id, content=rest))

    def _check_error(self) -> None:
        """Recognise an error that came instead of a stream under another content type."""
        try:
            data = json.loads(self._kept)
        except (ValueError, RecursionError):
            return
        if is_envelope(data) and data["code"] != 200:
            self._raise(self._service.problem_of(data))
        self._broken("it is JSON and not an event stream")

    def _raise(self, problem: Problem) -> NoReturn:
        error = error_for(_STREAM, Answer(200), problem, None, now=0.0)
        redact(error, self._service.secrets())
        raise error

    def _broken(self, why: str) -> NoReturn:
        raise TruncatedStreamError(f"{_STREAM}: it broke off after {self._count} events: {why}") from None


def _problem_of(data: Any) -> Problem:
    message = data.get("message") if isinstance(data, dict) else data
    return Problem(message if isinstance(message, str) else "", status=500)
