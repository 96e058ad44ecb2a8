"""What both adapters decide about files: what a search found as passages, and what may be asked for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from lumnisai_core import (
    FileChunk,
    FileContentResult,
    FileMetadata,
    FileSearchResult,
    FileSearchResults,
    ProcessingStatus,
    Scope,
)
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.runs import asks_for_tenant_view

#: Passages that a retriever returns unless it is told otherwise, and the most that the platform gives for one search.
DEFAULT_PASSAGES = 4
MOST_PASSAGES = 50

#: Fields of a retriever, besides the number of passages, that a keyword of the same name replaces for one search.
SEARCH_FIELDS = ("min_score", "file_types", "file_tags", "user_id", "scope")

_FILE_FACTS = ("file_type", "mime_type", "file_size", "file_scope", "created_at", "updated_at")
_NO_TEXT_YET = (ProcessingStatus.PENDING, ProcessingStatus.PARSING)


class SearchParameters(TypedDict):
    """Keywords of ``client.files.search``."""

    limit: int
    min_score: float
    file_types: list[str] | None
    tags: str | list[str] | None
    user_id: str | UUID | None
    scope: Scope | None


@dataclass(frozen=True, slots=True)
class Passage:
    """One piece of a file's text that a search found.

    Attributes:
        file: The file it is from.
        chunk: The piece.
        score: How well it fits, 0 to 1.
    """

    file: FileMetadata
    chunk: FileChunk
    score: float

    @property
    def id(self) -> str:
        """File and place in it, the same for every search."""
        return f"{self.file.id}:{self.chunk.chunk_index}"

    @property
    def text(self) -> str:
        """The piece itself."""
        return self.chunk.chunk_text

    @property
    def metadata(self) -> dict[str, Any]:
        """Where the passage is from, and what the service knows about it besides."""
        lines = {"start_line": self.chunk.start_line, "end_line": self.chunk.end_line}
        known = {**file_metadata(self.file), "chunk_index": self.chunk.chunk_index, **_present(lines)}
        others = {f"chunk_{name}" if name in known else name: value for name, value in _present(self._more()).items()}
        return known | others

    def _more(self) -> Mapping[str, Any]:
        return self.chunk.metadata or {}


def search_parameters(fields: Mapping[str, Any], given: Mapping[str, Any], *, count: str) -> SearchParameters:
    """Settle one search: a keyword of the call wins over the retriever's field of the same name.

    Args:
        fields: The values of :data:`SEARCH_FIELDS` and the number of passages.
        given: The keywords of the call; ``None`` takes a filter away.
        count: What the framework calls the number of passages.

    Raises:
        ValidationError: A value cannot be asked for.
        TypeError: There is no such keyword.
    """
    allowed = (count, *SEARCH_FIELDS)
    unknown = given.keys() - set(allowed)
    if unknown:
        raise TypeError(f"A search takes no {', '.join(sorted(unknown))}; it takes {', '.join(allowed)}.")
    settled = {name: given.get(name, fields[name]) for name in allowed}
    if asks_for_tenant_view(given):
        settled["user_id"] = None
    return SearchParameters(
        limit=_passage_count(count, fields[count] if settled[count] is None else settled[count]),
        min_score=_least_score(0.0 if settled["min_score"] is None else settled["min_score"]),
        file_types=extensions("file_types", settled["file_types"]),
        tags=filled_tags(settled["file_tags"]),
        user_id=settled["user_id"],
        scope=settled["scope"],
    )


def passages(found: FileSearchResults, asked: SearchParameters) -> list[Passage]:
    """Return the passages that a search found, best first, each once, at most as many as were asked for.

    The service answers with files that have several pieces each. Pieces without text are left out.

    Args:
        found: The answer of the service.
        asked: What it was asked.
    """
    by_id: dict[str, Passage] = {}
    for result in found.results:
        for chunk in result.chunks:
            passage = Passage(result.file, chunk, _score(result, chunk))
            if chunk.chunk_text.strip() and passage.score >= asked["min_score"]:
                by_id.setdefault(passage.id, passage)
    return sorted(by_id.values(), key=lambda passage: -passage.score)[: asked["limit"]]


def _score(result: FileSearchResult, chunk: FileChunk) -> float:
    return result.overall_score if chunk.similarity_score is None else chunk.similarity_score


def file_metadata(file: FileMetadata) -> dict[str, Any]:
    """Return what is worth knowing about a file as plain data, without what is unknown."""
    facts = {name: getattr(file, name) for name in _FILE_FACTS}
    plain = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in facts.items()}
    plain["file_scope"] = str(file.file_scope)
    names = {"file_id": file.id, "source": file.file_name or file.id, "file_name": file.file_name}
    return _present(names | plain | {"tags": list(file.tags) or None})


def text_metadata(file: FileMetadata, content: FileContentResult) -> dict[str, Any]:
    """Return what is worth knowing about the whole text of a file."""
    return file_metadata(file) | _present(
        {"content_type": str(content.content_type), "total_lines": content.total_lines}
    )


def why_not_ready(file: FileMetadata) -> str | None:
    """Say why a file has no text that could be asked for, or None."""
    if file.processing_status == ProcessingStatus.ERROR:
        return f"it could not be processed: {file.error_message or 'the service gives no reason'}"
    if file.processing_status in _NO_TEXT_YET:
        return f"it is still {file.processing_status}"
    return None


def extensions(name: str, values: str | Sequence[str] | None) -> list[str] | None:
    """Bring file types into the form in which the service keeps them: lower case, no dot, each once.

    Args:
        name: What they are called, for the message.
        values: One extension or several, such as ``pdf``, or None for any.

    Raises:
        ValidationError: There is none, or one is no extension.
    """
    if values is None:
        return None
    given = [values] if isinstance(values, str) else list(values)
    if not given:
        raise ValidationError(f"{name} is empty, so that no file would fit: pass at least one, or None for any.")
    return list(dict.fromkeys(_extension(name, value) for value in given))


def _extension(name: str, value: object) -> str:
    plain = value.strip().lower().removeprefix(".") if isinstance(value, str) else ""
    if not plain or "," in plain or "/" in plain:
        raise ValidationError(f"{name} has {value!r}, which is no extension: pass texts such as 'pdf' or 'md'.")
    return plain


def filled_tags(tags: str | Sequence[str] | None) -> str | list[str] | None:
    """Accept tags that say something, or None for any; the core checks each of them.

    Raises:
        ValidationError: There is none.
    """
    if tags is None or (isinstance(tags, str) and tags.strip()):
        return tags
    if isinstance(tags, str) or not tags:
        raise ValidationError("file_tags is empty, so that no file would fit: pass at least one, or None for any.")
    return list(tags)


def _passage_count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_PASSAGES:
        raise ValidationError(f"{name} must be a whole number from 1 to {MOST_PASSAGES}, not {value!r}.")
    return value


def _least_score(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValidationError(f"min_score must be a number from 0 to 1, not {value!r}.")
    return value


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value != ""}
