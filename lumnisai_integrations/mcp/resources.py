"""Resources of the MCP server: the user's files, and the documents that runs made."""

from __future__ import annotations

import base64
import re
from typing import Any

from mcp_types import (
    BlobResourceContents,
    ListResourcesResult,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from lumnisai_core import AsyncClient, FileMetadata
from lumnisai_core.exceptions import NotFoundError, ValidationError

#: Files on a page of the list.
_PAGE_SIZE = 50

#: Bytes of a file that is sent whole: clients keep results in memory, a third larger than the file.
_LARGEST = 20_000_000

_TEXT_TYPES = re.compile(r"text/.*|application/(.*[+])?(json|xml|yaml|x-yaml|toml|javascript)")

_FILE = re.compile(r"lumnis://files/([^/]+)(/text)?")
_ARTIFACT = re.compile(r"lumnis://runs/([^/]+)/artifacts/(\d{1,9})")

TEMPLATES = [
    ResourceTemplate(
        name="file", uri_template="lumnis://files/{file_id}", description="A file of the user, as it was uploaded."
    ),
    ResourceTemplate(
        name="text of a file",
        uri_template="lumnis://files/{file_id}/text",
        description="The text of a file, such as a PDF or Word file.",
        mime_type="text/plain",
    ),
    ResourceTemplate(
        name="artifact",
        uri_template="lumnis://runs/{run_id}/artifacts/{number}",
        description="A document that an agent made in a run, by its position from 0.",
        mime_type="text/markdown",
    ),
]


def _resource(file: FileMetadata) -> Resource:
    tags = f"Tags: {', '.join(file.tags)}" if file.tags else None
    return Resource(
        uri=f"lumnis://files/{file.id}",
        name=file.file_name or file.id,
        description=tags,
        mime_type=file.mime_type or None,
        size=file.file_size,
    )


async def list_files(client: AsyncClient, cursor: str | None) -> ListResourcesResult:
    """List a page of the user's files; the cursor of the next page is its number.

    Raises:
        ValidationError: The cursor is not one of this list.
    """
    if cursor is not None and not re.fullmatch(r"[1-9]\d{0,8}", cursor):
        raise ValidationError(f"cursor must be the nextCursor of an earlier list, got {cursor!r}.")
    page = int(cursor or 1)
    found = await client.files.list(page=page, limit=_PAGE_SIZE)
    more = bool(found.files) and found.more_after((page - 1) * _PAGE_SIZE + len(found.files))
    return ListResourcesResult(
        resources=[_resource(file) for file in found.files], next_cursor=str(page + 1) if more else None
    )


async def read_resource(client: AsyncClient, uri: str) -> ReadResourceResult:
    """Read a resource.

    Raises:
        NotFoundError: There is none under this URI.
        ValidationError: It is too large to be sent.
        LumnisAIError: The service cannot be reached or refuses the request.
    """
    if found := _FILE.fullmatch(uri):
        return await (_file_text(client, uri, found[1]) if found[2] else _file(client, uri, found[1]))
    if found := _ARTIFACT.fullmatch(uri):
        return await _artifact(client, uri, found[1], int(found[2]))
    forms = ", ".join(template.uri_template for template in TEMPLATES)
    raise NotFoundError(f"There is no resource {uri!r}. URIs have one of the forms {forms}.")


async def _file(client: AsyncClient, uri: str, file_id: str) -> ReadResourceResult:
    file = await client.files.get(file_id)
    if file.file_size > _LARGEST:
        raise ValidationError(
            f"{file.file_name} has {file.file_size:,} bytes, and at most {_LARGEST:,} are sent: read {uri}/text, or "
            "use ask with use_files."
        )
    content = await client.files.download(file_id)
    kind = file.mime_type or None
    if kind is None or _TEXT_TYPES.fullmatch(kind):
        try:
            return _text(uri, content.decode("utf-8-sig"), kind or "text/plain")
        except UnicodeDecodeError:
            kind = kind or "application/octet-stream"
    blob = base64.b64encode(content).decode()
    return ReadResourceResult(contents=[BlobResourceContents(uri=uri, blob=blob, mime_type=kind)])


async def _file_text(client: AsyncClient, uri: str, file_id: str) -> ReadResourceResult:
    return _text(uri, (await client.files.get_content(file_id)).text, "text/plain")


async def _artifact(client: AsyncClient, uri: str, run_id: str, index: int) -> ReadResourceResult:
    artifacts = (await client.responses.get(run_id)).artifacts
    if index >= len(artifacts):
        raise NotFoundError(f"There is no artifact {index} in run {run_id}, which has {len(artifacts)}.")
    # Newer versions of the service send the text as `content`.
    parts: list[Any] = [part.text for part in artifacts[index].parts if part.text]
    text = "\n\n".join(parts) or getattr(artifacts[index], "content", None) or ""
    return _text(uri, str(text), "text/markdown")


def _text(uri: str, text: str, kind: str) -> ReadResourceResult:
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, text=text, mime_type=kind)])
