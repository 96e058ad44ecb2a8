"""Files of the application backend: kept on disk, served as attachments; and a picture without a model."""

from __future__ import annotations

import asyncio
import hashlib
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit
from uuid import UUID

from starlette.datastructures import UploadFile
from starlette.responses import FileResponse, PlainTextResponse, Response

from lumnisai_core.local.lumi.documents import Caller, is_allowed
from lumnisai_core.local.lumi.shapes import FileRow
from lumnisai_core.local.lumi.store import Store
from lumnisai_core.local.store.database import write_file
from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.ids import new_id, now_z
from lumnisai_core.local.web.text import word_set

_EXECUTABLE = word_set(
    """.apk .app .bat .bin .cmd .com .cpl .deb .dll .dmg .exe .hta .jar .lnk .msi .pif .ps1 .rpm .run .scr .sh .so .vbs
    .wsf"""
)
_LONGEST_NAME = 200
_HEADERS = {"x-content-type-options": "nosniff", "content-security-policy": "default-src 'none'; sandbox"}
_CELLS = 8
_SCALE = 32


class Files:
    """The stored files, in a folder under their ids.

    Args:
        store: the tables.
        folder: where the bytes are.
        largest: largest file, in bytes.
    """

    def __init__(self, store: Store, folder: Path, largest: int) -> None:
        self._store = store
        self._folder = folder
        self._largest = largest
        if folder.is_dir():
            folder.chmod(0o700)
        for path in folder.iterdir() if folder.is_dir() else ():
            if store.files.one(id=path.name) is None:  # what an upload that never ended left
                path.unlink()

    async def receive(self, part: UploadFile, caller: Caller) -> FileRow | str:
        """Store an upload, or return why it is refused."""
        name = (part.filename or "").replace("\\", "/").rpartition("/")[2][-_LONGEST_NAME:]
        if not name.strip(". "):
            return "The file has no name"
        if Path(name.lower().rstrip(". ")).suffix in _EXECUTABLE:
            return "File type not allowed"
        if (part.size or 0) > self._largest:
            return f"File is larger than {self._largest} bytes"
        kind = part.content_type or "application/octet-stream"
        return await self._add(name, kind, part.size or 0, caller.user_id, part.file)

    async def add_picture(self, seed: str, owner: str | None) -> FileRow:
        """Store the picture that belongs to a text."""
        path_id, data = new_id(), await asyncio.to_thread(picture, seed)
        await asyncio.to_thread(write_file, self._path(path_id), BytesIO(data))
        return self._store.files.add(FileRow(path_id, "image.png", "image/png", len(data), owner, now_z()))

    async def _add(self, name: str, kind: str, size: int, owner: str | None, source: BinaryIO) -> FileRow:
        file_id = new_id()
        await asyncio.to_thread(write_file, self._path(file_id), source)
        return self._store.files.add(FileRow(file_id, name, kind, size, owner, now_z()))

    def _path(self, file_id: str) -> Path:
        return self._folder / file_id

    def serve(self, file_id: str) -> Response:
        """Return a file as an attachment that no browser executes."""
        row = self._store.files.one(id=file_id)
        if row is None:
            return PlainTextResponse("There is no such file.", 404)
        return FileResponse(self._path(row.id), 200, _HEADERS, row.mime_type, filename=row.name)

    def remove(self, urls: list[str], caller: Caller) -> None:
        """Delete files by their addresses, all or none; unknown ones count as deleted.

        Raises:
            ApiError: one belongs to another user.
        """
        ids = [file_id for url in urls if (file_id := file_of(url)) is not None]
        rows = [row for file_id in ids if (row := self._store.files.one(id=file_id)) is not None]
        if not all(row.owner is None or is_allowed("owner", caller, row.owner) for row in rows):
            raise ApiError(403, "FORBIDDEN", "A file belongs to another user.")
        with self._store.transaction():
            for row in rows:
                self._store.files.remove(id=row.id)
        for row in rows:
            self._path(row.id).unlink(missing_ok=True)


def address_of(file: FileRow) -> str:
    """Return the path of a file below the address of the backend."""
    return f"/files/{file.id}/{quote(file.name, safe='')}"


def file_of(url: str) -> str | None:
    """Return the id in the address of a file, or None if it is not such an address."""
    before, _, after = urlsplit(url).path.rpartition("/files/")
    try:
        return str(UUID(unquote(after.partition("/")[0]))) if before.endswith("/lumi") else None
    except ValueError:
        return None


def picture(seed: str) -> bytes:
    """Return a small PNG that depends on nothing but the text: a symmetrical pattern in one colour."""
    digest = hashlib.sha256(seed.encode()).digest()
    colour, paper = digest[:3], b"\xf4\xf4\xf0"
    rows = []
    for y in range(_CELLS):
        half = [colour if digest[3 + y] >> x & 1 else paper for x in range(_CELLS // 2)]
        line = b"".join(cell * _SCALE for cell in [*half, *reversed(half)])
        rows += [b"\0" + line] * _SCALE
    side = _CELLS * _SCALE
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows), 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
