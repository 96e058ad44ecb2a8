"""Text models of both frameworks on Lumi.new: their keywords, roles and pictures of messages, and stops."""

from __future__ import annotations

import mimetypes
import warnings
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import PrivateAttr

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumi import GeneratedText
from lumnisai_integrations._shared.lumi.connection import LumiConnection
from lumnisai_integrations._shared.runs import IGNORED_PARAMETERS, NOTHING, SILENT_KEYWORDS

#: The service's own choice.
DEFAULT_MODEL = "gemini-2.5-flash"


#: Keywords of other models for which the service has no setting; ``timeout`` is one of ours.
IGNORED = IGNORED_PARAMETERS - {"timeout"}


class TextModel(LumiConnection):
    """What the chat model and the LLM share: settings of other models are ignored, with one warning for each."""

    _warned_of: set[str] = PrivateAttr(default_factory=set)

    def _check_keywords(self, keywords: Mapping[str, Any], own: Collection[str]) -> None:
        """Check the keywords of a call.

        Raises:
            ValidationError: One is not known.
        """
        self._warn_of_ignored({name: value for name, value in keywords.items() if name in IGNORED})
        known = IGNORED | SILENT_KEYWORDS | set(own)
        if unknown := sorted(name for name in keywords.keys() - known if keywords[name] not in NOTHING):
            raise ValidationError(f"{type(self).__name__} has no {', '.join(unknown)}.")

    def _warn_of_ignored(self, values: Mapping[str, Any]) -> None:
        new = {name for name, value in values.items() if value not in NOTHING} - self._warned_of
        if new:
            self._warned_of |= new
            text = f"{type(self).__name__} ignores {', '.join(sorted(new))}: Lumi.new has no such setting."
            warnings.warn(text, UserWarning, stacklevel=5)


class Media(NamedTuple):
    """A picture or another file of a message.

    Attributes:
        url: Where it is, or a ``data:`` address with its content.
        mime_type: Its media type, or None to guess it by the address.
    """

    url: str
    mime_type: str | None = None

    def written(self) -> dict[str, str]:
        """Return it as the service takes it."""
        kind = self.mime_type or mimetypes.guess_type(urlsplit(self.url).path)[0]
        if kind is None and self.url.startswith("data:"):
            kind = self.url[len("data:") :].partition(",")[0].partition(";")[0] or None
        return {"mimeType": kind or "image/*", "url": self.url}


def data_url(mime_type: str, base64: str) -> str:
    """Return an address that holds its content."""
    return f"data:{mime_type};base64,{base64}"


def written_message(role: str, text: str, medias: Iterable[Media] = ()) -> dict[str, Any]:
    """Return a message as the service takes it."""
    rows = [media.written() for media in medias]
    return {"role": role, "content": text, **({"medias": rows} if rows else {})}


def unsendable(place: str, kind: object) -> ValidationError:
    """Return the error about a part of a message that cannot be sent."""
    return ValidationError(
        f"{place} holds a block of type {kind!r}: messages are text, and pictures and files by address or content."
    )


def metadata_of(answer: GeneratedText, model: str) -> dict[str, Any]:
    """Return what is known about an answer. The service reports neither usage nor why an answer ends."""
    return {"model_provider": "lumi", "model_name": model, "chat_id": answer.chat_id}


class Stopper:
    """Cuts a streamed text off before the first of some texts, which may be split anywhere.

    Args:
        stops: The texts.
    """

    def __init__(self, stops: Iterable[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._longest = max(map(len, self._stops), default=0)
        self._held = ""
        self.is_over = False

    def feed(self, piece: str) -> str:
        """Take a piece of text and return what can be shown of it now."""
        if self.is_over:
            return ""
        text = self._held + piece
        ends = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if ends:
            self.is_over, self._held = True, ""
            return text[: min(ends)]
        kept = self._possible_start(text)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]

    def finish(self) -> str:
        """Return the rest of the text."""
        rest, self._held = ("" if self.is_over else self._held), ""
        return rest

    def _possible_start(self, text: str) -> int:
        """Return how many last characters may begin one of the stops."""
        sizes = range(min(self._longest - 1, len(text)), 0, -1)
        return next((size for size in sizes if any(stop.startswith(text[-size:]) for stop in self._stops)), 0)


def cut(text: str, stops: Iterable[str]) -> str:
    """Return a text up to the first of some texts."""
    stopper = Stopper(stops)
    return stopper.feed(text) + stopper.finish()
