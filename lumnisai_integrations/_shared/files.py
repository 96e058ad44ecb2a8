"""Files: filters of a search, and what it found as passages with metadata. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypedDict
from uuid import UUID

from lumnisai_core import FileChunk, FileMetadata, FileSearchResults, Scope
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.runs import asks_for_tenant_view, check_number

#: Default number of passages, and the most that the platform returns for one search.
DEFAULT_PASSAGES = 4
MOST_PASSAGES = 50

#: Fields of a retriever, besides the number of passages, that a keyword of the same name replaces for one search.
SEARCH_FIELDS = ("min_score", "file_types", "file_tags", "user_id", "scope")

_METADATA_FIELDS = ("file_type", "mime_type", "file_size", "file_scope", "created_at", "updated_at")


class SearchParameters(TypedDict):
    """Keywords of ``client.files.search``."""

    limit: int
    min_score: float
    file_types: list[str] | None
    tags: str | list[str] | None
    user_id: str | UUID | None
    scope: Scope | None


class Passage(NamedTuple):
    """One piece of a file's text that a search found, with a score from 0 to 1.

    The id is that of the file and the place in it, the same for every search.
    """

    id: str
    text: str
    metadata: dict[str, Any]
    score: float
    file: FileMetadata


def search_parameters(fields: Mapping[str, Any], keywords: Mapping[str, Any], *, count: str) -> SearchParameters:
    """Return the parameters of one search: a keyword of the call wins over the retriever's field of the same name.

    ``None`` removes a filter. ``count`` is the framework's name for the number of passages.
    """
    allowed = (count, *SEARCH_FIELDS)
    unknown = keywords.keys() - set(allowed)
    if unknown:
        raise TypeError(f"A search takes no {', '.join(sorted(unknown))}; it takes {', '.join(allowed)}.")
    wanted = {name: keywords.get(name, fields[name]) for name in allowed}
    if asks_for_tenant_view(keywords):
        wanted["user_id"] = None
    return SearchParameters(
        limit=check_number(
            count, fields[count] if wanted[count] is None else wanted[count], least=1, most=MOST_PASSAGES
        ),
        min_score=_least_score(0.0 if wanted["min_score"] is None else wanted["min_score"]),
        file_types=extensions("file_types", wanted["file_types"]),
        tags=filled_tags(wanted["file_tags"]),
        user_id=wanted["user_id"],
        scope=wanted["scope"],
    )


def passages(results: FileSearchResults, search: SearchParameters) -> list[Passage]:
    """Return the passages that a search found, best first, each once, at most as many as the search allows.

    The service answers with files that have several pieces each. Pieces without text are left out.
    """
    by_id: dict[str, Passage] = {}
    for result in results.results:
        for chunk in result.chunks:
            score = result.overall_score if chunk.similarity_score is None else chunk.similarity_score
            if chunk.chunk_text.strip() and score >= search["min_score"]:
                passage = _passage(result.file, chunk, score)
                by_id.setdefault(passage.id, passage)
    return sorted(by_id.values(), key=lambda passage: -passage.score)[: search["limit"]]


def _passage(file: FileMetadata, chunk: FileChunk, score: float) -> Passage:
    place = {"chunk_index": chunk.chunk_index, "start_line": chunk.start_line, "end_line": chunk.end_line}
    known = file_metadata(file) | _present(place)
    extra = _present(chunk.metadata or {})
    others = {f"chunk_{name}" if name in known else name: value for name, value in extra.items()}
    return Passage(f"{file.id}:{chunk.chunk_index}", chunk.chunk_text, known | others, score, file)


def file_metadata(file: FileMetadata) -> dict[str, Any]:
    """Return the metadata of a file as plain data, without unknown values."""
    values = {name: getattr(file, name) for name in _METADATA_FIELDS}
    plain = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
    plain["file_scope"] = str(file.file_scope)
    names = {"file_id": file.id, "source": file.file_name or file.id, "file_name": file.file_name}
    return _present(names | plain | {"tags": list(file.tags) or None})


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value != ""}


def extensions(name: str, values: str | Sequence[str] | None) -> list[str] | None:
    """Return file types in the form in which the service keeps them: lower case, without a dot, each once."""
    if values is None:
        return None
    listed = [values] if isinstance(values, str) else list(values)
    if not listed:
        raise ValidationError(f"{name} is empty, so that no file would match: pass at least one, or None for any.")
    return list(dict.fromkeys(_extension(name, value) for value in listed))


def _extension(name: str, value: object) -> str:
    plain = value.strip().lower().removeprefix(".") if isinstance(value, str) else ""
    if not plain or "," in plain or "/" in plain:
        raise ValidationError(f"{name} must be file extensions such as 'pdf' or 'md', got {value!r}.")
    return plain


def filled_tags(tags: str | Sequence[str] | None) -> str | list[str] | None:
    """Return tags as they are, or None for any; the core checks each of them."""
    if tags is None or (isinstance(tags, str) and tags.strip()):
        return tags
    if isinstance(tags, str) or not tags:
        raise ValidationError("file_tags is empty, so that no file would match: pass at least one, or None for any.")
    return list(tags)


def _least_score(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValidationError(f"min_score must be a number from 0 to 1, got {value!r}.")
    return value
