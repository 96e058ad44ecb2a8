"""Uploaded files: kept on disk, read and cut into pieces in the background, attached to runs, linked to."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
import logging
import os
import secrets
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from lumnisai_core import file_texts
from lumnisai_core.file_texts import MOST_MEMORY, MOST_SECONDS, Unreadable, extract
from lumnisai_core.local.engines.base import Passage
from lumnisai_core.local.lumnis.store.files import of_ids, visible
from lumnisai_core.local.lumnis.store.rows import ChunkRow, FileRow
from lumnisai_core.local.lumnis.store.store import Store
from lumnisai_core.local.store.database import write_file
from lumnisai_core.local.web.ids import now
from lumnisai_core.local.web.text import search_terms, spaced
from lumnisai_core.local.web.work import OutOfTime, Work

#: Pieces that are stored or deleted at once; others have their turn in between.
_BATCH = 50
_AT_ONCE = 4
_ENOUGH_CONTEXT = 5_000_000
_LINK_LIFETIME = 3600
#: Bytes of a plain text that is read in a moment.
_SMALL = 64_000
#: Seconds until a process that waits for the machine is ended, whatever it has done by then.
_PATIENCE = 4 * MOST_SECONDS
#: What has a parser, which can be made to work very long.
_PARSED = ("pdf", "docx", "html", "htm", "xhtml")
#: What a process may know of the environment, which has secrets as well.
_ENVIRONMENT = ("PATH", "SYSTEMROOT", "LANG", "LC_ALL", "TMPDIR", "TEMP", "TMP")
_TOO_MUCH = f"Reading the file takes more than {MOST_SECONDS} seconds or {MOST_MEMORY // 1_000_000} MB of memory."
_logger = logging.getLogger("lumnisai_core.local")


class Library:
    """All files of a service, in a folder under their ids; `pause` is in seconds, between the steps of processing.

    Every method belongs to the service's event loop.
    """

    def __init__(self, store: Store, folder: Path, pause: float) -> None:
        self._files = store.files
        self._artifacts = store.artifacts
        self._folder = folder
        self._pause = max(0.0, pause)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def path(self, file_id: str) -> Path:
        """Return the path of a file's bytes."""
        return self._folder / str(UUID(file_id))

    def keep(self, file_id: str, source: BinaryIO) -> str:
        """Copy an upload to its place and return its SHA-256 digest. Blocks; call it in a thread."""
        path = self.path(file_id)
        write_file(path, source)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def recover(self) -> None:
        """Read the files that were not read yet; delete the remains of uploads and deletions that never ended."""
        if self._folder.is_dir():
            self._folder.chmod(0o700)
        for file_id in self._files.orphans():
            while self._files.delete_chunks(file_id, _BATCH):
                pass
        for file in self._files.unfinished():
            self.process(file)
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if path.is_file() and self._files.one(id=path.stem) is None:
                path.unlink()

    def process(self, file: FileRow) -> None:
        """Begin to read a file in the background."""
        task = self._tasks[file.id] = asyncio.create_task(self._process(file))
        task.add_done_callback(lambda _: self._tasks.pop(file.id, None))

    async def stop(self) -> None:
        """Stop reading; the next start picks up unfinished files."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def remove(self, ids: Iterable[str]) -> None:
        """Delete files with everything made from them, the pieces of large ones step by step."""
        for file_id in ids:
            if task := self._tasks.pop(file_id, None):
                task.cancel()
                await asyncio.wait([task])
            self._files.remove(id=file_id)
            for path in (self.path(file_id), self._text(file_id), self._pieces(file_id)):
                path.unlink(missing_ok=True)
            await self._clear(file_id)

    async def lines(self, file: FileRow, start: int | None = None, end: int | None = None) -> str:
        """Return the text of a file, or some lines of it; they count from 1."""
        return await asyncio.to_thread(_lines, self._text(file.id), start, end)

    async def attached(
        self, tenant_id: str, user_id: str | None, named: Iterable[Mapping[str, Any]], *, everything: bool
    ) -> list[Mapping[str, Any]]:
        """Return files as an engine gets them: stored files and artifacts have their `text`.

        A file is stored if its address is the id of a file or `artifact_` with the id of an artifact that the user of
        the run may see; any other address is passed on as it is. With `everything`, all files that the user may see
        are added, marked `searchable`, newest first, up to a few megabytes of text.
        """
        resolved = [await self._resolved(tenant_id, user_id, item) for item in named]
        found = {str(item.get("uri")): item for item in resolved}
        room = _ENOUGH_CONTEXT
        files = self._files.all(**visible(tenant_id, user_id)) if everything else []
        for file in files:
            await self._ready(file.id)
            text = await self.lines(file)
            room -= len(text)
            if room < 0:
                break
            about = {"name": file.file_name, "uri": file.id, "mime_type": file.mime_type, "size_bytes": file.file_size}
            found.setdefault(file.id, {**about, "text": text, "searchable": True})
        return list(found.values())

    async def passages(
        self, work: Work, tenant_id: str, user_id: str | None, query: str, limit: int, *, file_ids: Sequence[str] | None
    ) -> list[Passage]:
        """Return the passages that match a query best, among these files or all that the user may see; best first."""
        seen = visible(tenant_id, user_id)
        find = partial(self._files.search, search_terms(query), limit, 0.0, **seen, **of_ids(file_ids))
        try:
            hits = await work.do(tenant_id, find)
        except OutOfTime:
            _logger.warning("A search for passages was ended because it took too long")
            return []
        files = {chunk.file_id: self._files.one(id=chunk.file_id, **seen) for chunk, _ in hits}
        return [
            Passage(file.id, file.file_name, chunk.chunk_text, chunk.start_line, chunk.end_line, score)
            for chunk, score in hits
            if (file := files[chunk.file_id]) is not None
        ]

    async def _resolved(self, tenant_id: str, user_id: str | None, item: Mapping[str, Any]) -> Mapping[str, Any]:
        stored_id = str(item.get("uri", "")).removeprefix("artifact_").removeprefix("file_")
        if self._files.one(id=stored_id, **visible(tenant_id, user_id)):
            await self._ready(stored_id)
            file = self._files.one(id=stored_id, **visible(tenant_id, user_id))
            return item if file is None else {**item, "text": await self.lines(file)}
        artifact = self._artifacts.one(tenant_id=tenant_id, artifact_id=stored_id, user_id=user_id)
        return item if artifact is None else {**item, "text": artifact.text}

    async def _ready(self, file_id: str) -> None:
        if task := self._tasks.get(file_id):
            await asyncio.wait([task])

    async def _process(self, file: FileRow) -> None:
        try:
            async with self._turns[file.tenant_id]:  # one file of each tenant at a time
                await self._step(file.id, processing_status="parsing")
                async with self._turn:
                    places = self.path(file.id), self._text(file.id), self._pieces(file.id)
                    chunks, lines = await _read(file.file_type, file.file_size, *places)
                await self._embed(file.id, chunks, lines)
        except Unreadable as error:
            await self._step(file.id, processing_status="error", error_message=str(error), processed_at=now())
        except Exception:
            _logger.exception("File %s could not be processed", file.id)
            message = "The service failed to process the file; its log has the reason."
            await self._step(file.id, processing_status="error", error_message=message, processed_at=now())
        finally:
            self._pieces(file.id).unlink(missing_ok=True)

    async def _embed(self, file_id: str, total: int, lines: int) -> None:
        await self._clear(file_id)
        await self._step(
            file_id, processing_status="embedding", total_chunks=total, chunks_embedded=0, total_lines=lines
        )
        done = 0
        with self._pieces(file_id).open(encoding="utf-8") as pieces:
            while batch := [_chunk(file_id, index, line) for index, line in enumerate(islice(pieces, _BATCH), done)]:
                done += len(batch)
                self._files.add_chunks(batch)
                await self._step(file_id, chunks_embedded=done)
        await self._step(file_id, processing_status="completed", processed_at=now())

    async def _clear(self, file_id: str) -> None:
        """Delete the pieces of a file, some at a time."""
        while self._files.delete_chunks(file_id, _BATCH):  # noqa: ASYNC110 - this is the one who works
            await asyncio.sleep(0)

    async def _step(self, file_id: str, **values: Any) -> None:
        self._files.change({"id": file_id}, **values, updated_at=now())
        await asyncio.sleep(self._pause)

    def _text(self, file_id: str) -> Path:
        return self.path(file_id).with_suffix(".txt")

    def _pieces(self, file_id: str) -> Path:
        return self.path(file_id).with_suffix(".pieces")


def _chunk(file_id: str, index: int, line: str) -> tuple[ChunkRow, str]:
    """Return a piece of a file, and the text of it that the search looks into."""
    text, start_line, end_line, words = json.loads(line)
    chunk = ChunkRow(
        file_id=file_id,
        chunk_index=index,
        chunk_text=text,
        start_line=start_line,
        end_line=end_line,
        token_count=words,
    )
    return chunk, spaced(text)


def _lines(path: Path, start: int | None, end: int | None) -> str:
    if not path.exists():
        return ""
    with path.open(encoding="utf-8", newline="\n") as file:
        return "".join(itertools.islice(file, (start or 1) - 1, end))


class Blobs:
    """An application without credentials that serves files by signed links to `base_url`, as blob storage does."""

    def __init__(self, store: Store, library: Library, base_url: str) -> None:
        self._files = store.files
        self._library = library
        self._base_url = base_url
        self._secret = secrets.token_bytes(32)

    def link(self, file: FileRow) -> str:
        """Return a link to a file that works for an hour."""
        expires = str(int(time.time()) + _LINK_LIFETIME)
        return f"{self._base_url}/{file.id}?expires={expires}&signature={self._sign(file.id, expires)}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._answer(Request(scope, receive))(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        file_id, expires = request.url.path.strip("/"), request.query_params.get("expires", "")
        signature = request.query_params.get("signature", "")
        valid = hmac.compare_digest(signature.encode(), self._sign(file_id, expires).encode())
        if request.method not in ("GET", "HEAD") or not valid or int(expires) < time.time():
            return PlainTextResponse("This link is not valid.", 403)
        file = self._files.one(id=file_id)
        if file is None or file.deleted_at is not None:
            return PlainTextResponse("The file is gone.", 404)
        return FileResponse(self._library.path(file.id), media_type=file.mime_type, filename=file.file_name)

    def _sign(self, file_id: str, expires: str) -> str:
        return hmac.new(self._secret, f"{file_id}\n{expires}".encode(), hashlib.sha256).hexdigest()


async def _read(kind: str, size: int, source: Path, text: Path, pieces: Path) -> tuple[int, int]:
    """Do what `extract` does for a file of `size` bytes, off the event loop and within limits of time and memory.

    Raises:
        Unreadable: the file is broken or binary, its reader is missing, or reading it takes too much.
    """
    if kind not in _PARSED and size <= _SMALL:
        return extract(kind, source, text, pieces)
    if getattr(sys, "frozen", False) or not sys.executable:  # such an application cannot start Python
        return await asyncio.to_thread(extract, kind, source, text, pieces)
    program = [sys.executable, "-P", str(Path(file_texts.__file__)), kind, *map(str, (source, text, pieces))]
    known = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *program,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**known, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONIOENCODING": "utf-8"},
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            output, _ = await process.communicate()
    except TimeoutError:
        output = b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        outcome = json.loads(output)
    except ValueError:
        raise Unreadable(_TOO_MUCH) from None
    if "error" in outcome:
        raise Unreadable(outcome["error"])
    return outcome["pieces"], outcome["lines"]
