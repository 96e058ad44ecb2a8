"""Requests about files."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from lumnisai_core.local.web.shapes import Named, Shape, UserName

FileScope = Literal["user", "tenant"]
_Status = Literal["pending", "parsing", "embedding", "completed", "partial_success", "error"]
_Word = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1, max_length=255)]


class Owned(Shape):
    """Who a file belongs to: the whole tenant, or a user who must be named."""

    scope: FileScope
    user_id: UserName | None = None

    @model_validator(mode="after")
    def _a_user_is_named(self) -> Owned:
        if self.scope == "user" and self.user_id is None:
            raise ValueError("scope user needs user_id")
        return self


class Upload(Owned):
    """Text parts of `POST /v1/files/upload`."""

    tags: str | None = None
    duplicate_handling: Literal["error", "skip", "replace", "suffix"] = "suffix"


class ListFiles(Named):
    """Query of `GET /v1/files`; `tags` are comma-joined and any of them will do."""

    scope: FileScope | None = None
    file_type: str | None = Field(None, max_length=255)
    status: _Status | None = None
    tags: str | None = None
    page: int = Field(1, ge=1, le=2**48)
    limit: int = Field(20, ge=1, le=100)


class ReadContent(Named):
    """Query of `GET /v1/files/{id}/content`; lines count from 1 and both ends are included."""

    content_type: Literal["text", "transcript", "summary", "structured"] = "text"
    start_line: int | None = Field(None, ge=1, le=2**48)
    end_line: int | None = Field(None, ge=1, le=2**48)

    @model_validator(mode="after")
    def _in_order(self) -> ReadContent:
        if self.end_line is not None and self.end_line < (self.start_line or 1):
            raise ValueError("end_line must be at least start_line")
        return self


class SearchFiles(Named):
    """Body of `POST /v1/files/search`."""

    query: str = Field(min_length=1, max_length=10_000)
    limit: int = Field(10, ge=1, le=50)
    min_score: float = Field(0.0, ge=0, le=1)
    file_types: list[_Word] | None = None
    tags: list[_Word] | None = None


class DeleteFiles(Named):
    """Query of `DELETE /v1/files/{id}`."""

    hard_delete: bool = True


class FileIds(Shape):
    """Body of `DELETE /v1/files/bulk`."""

    file_ids: list[Annotated[str, Field(max_length=255)]] = Field(min_length=1, max_length=1000)
