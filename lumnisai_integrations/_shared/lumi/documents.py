"""Documents of Lumi.new as texts with metadata, and messages of conversations as documents. Pure, but for the clock."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumi import Document

#: Fields that the service adds.
_SYSTEM_FIELDS = frozenset({"_id", "id", "creator", "createdAt", "updatedAt"})

_MISSING = object()


class DocumentText(NamedTuple):
    """A document as a framework takes it.

    Attributes:
        id: The document's id.
        text: Its content.
        metadata: Other fields, with values that every vector store takes.
    """

    id: str | None
    text: str
    metadata: dict[str, Any]


class Fields(NamedTuple):
    """Which fields of a document are its content, and which its metadata.

    Attributes:
        collection: The collection, named in the metadata.
        content: Fields of the content, ``author.name`` for one inside another; None for all but the service's own.
        metadata: Fields of the metadata; None for all that are not content.
    """

    collection: str
    content: Sequence[str] | None
    metadata: Sequence[str] | None

    @classmethod
    def of(cls, collection: str, content: str | Iterable[str] | None, metadata: str | Iterable[str] | None) -> Fields:
        """Check the choice of fields.

        Raises:
            ValidationError: A name is not a string, or there is no collection.
        """
        if not isinstance(collection, str) or not collection.strip():
            raise ValidationError(f"collection must be a non-empty string, not {collection!r}.")
        return cls(collection, _names("content_fields", content), _names("metadata_fields", metadata))

    def read(self, document: Document) -> DocumentText:
        """Return a document as text and metadata. One field is its plain text; several are a line each, with names."""
        names = [name for name in document if name not in _SYSTEM_FIELDS] if self.content is None else self.content
        found = {name: value for name in names if (value := _at(document, name)) is not _MISSING}
        if self.content is not None and len(self.content) == 1:
            text = "".join(_text(value) for value in found.values())
        else:
            text = "\n".join(f"{name}: {_text(value)}" for name, value in found.items())
        others = document if self.metadata is None else self.metadata
        shown = {name: value for name in others if (value := _at(document, name)) is not _MISSING}
        left = {name: value for name, value in shown.items() if self.metadata is not None or name not in found}
        known = {"source": f"{self.collection}/{document.id}", "collection": self.collection, "id": document.id}
        own = {name: _flat(value) for name, value in left.items() if name != "_id"}
        return DocumentText(document.id, text, {**own, **known})


def _names(argument: str, names: str | Iterable[str] | None) -> Sequence[str] | None:
    if names is None:
        return None
    found = [names] if isinstance(names, str) else list(names)
    if wrong := [name for name in found if not isinstance(name, str) or not name]:
        raise ValidationError(f"{argument} must be names of fields, not {wrong[0]!r}.")
    return found


def _at(document: Mapping[str, Any], name: str) -> Any:
    """Return the value of a field, also inside others; a field whose own name has dots comes first."""
    if name in document:
        return document[name]
    value: Any = document
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return _MISSING
        value = value[part]
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _flat(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)


# Conversations

#: The collection of conversations, unless another one is named.
CONVERSATIONS = "ChatMessages"


class Sessions(NamedTuple):
    """Conversations in a collection: a document for each message, in an order of their own.

    Attributes:
        kind: The framework whose messages they are.
    """

    kind: str

    def filter(self, session: str | None = None) -> dict[str, Any]:
        """Return the filter of one conversation, or of all."""
        return {"kind": self.kind} if session is None else {"session": checked_session(session), "kind": self.kind}

    @property
    def sort(self) -> dict[str, int]:
        """The order of messages, oldest first."""
        return {"order": 1}

    def documents(
        self,
        session: str,
        messages: Iterable[tuple[str, str, Mapping[str, Any]]],
        now: Callable[[], int] = time.time_ns,
    ) -> list[dict[str, Any]]:
        """Return messages as documents.

        Args:
            session: The conversation.
            messages: Role, text and whole form of each.
            now: Nanoseconds since the epoch.
        """
        key, begin = checked_session(session), now()
        return [
            # A text, because numbers of this size are not exact in JSON.
            {"session": key, "kind": self.kind, "order": f"{begin:020d}-{at:06d}", **_row(role, text, whole)}
            for at, (role, text, whole) in enumerate(messages)
        ]

    @staticmethod
    def whole(document: Document) -> dict[str, Any]:
        """Return the whole form of a message.

        Raises:
            ValidationError: The document is not a message of a conversation.
        """
        whole = document.get("message")
        if not isinstance(whole, dict):
            raise ValidationError(f"The document {document.id} has no message: is the collection one of conversations?")
        return whole


def _row(role: str, text: str, whole: Mapping[str, Any]) -> dict[str, Any]:
    return {"role": role, "text": text, "message": dict(whole)}


def checked_session(session: str) -> str:
    """Accept the name of a conversation.

    Raises:
        ValidationError: It is not a string, or blank.
    """
    if not isinstance(session, str) or not session.strip():
        raise ValidationError(f"session_id must be a non-empty string, not {session!r}.")
    return session
