"""Runs: accepted, executed by an engine, watched, cancelled, recovered after a restart."""

from __future__ import annotations

import asyncio
import json
import logging
import mimetypes
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar
from uuid import UUID, uuid5

from pydantic import Field

from lumnisai_core.local.engines.base import (
    AgentEngines,
    Engine,
    EngineError,
    Feedback,
    Message,
    Passage,
    RunRequest,
    RunResult,
)
from lumnisai_core.local.lumnis.files.library import Library
from lumnisai_core.local.lumnis.report import Changes, LiveReport
from lumnisai_core.local.lumnis.settings import Settings
from lumnisai_core.local.lumnis.store import rows
from lumnisai_core.local.lumnis.store.rows import ArtifactRow, Role, RunRow, Thread
from lumnisai_core.local.lumnis.store.store import Store
from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.ids import now
from lumnisai_core.local.web.json_schema import SchemaError, compile_schema, fit_schema
from lumnisai_core.local.web.json_text import Json, dumps
from lumnisai_core.local.web.log import run_ended
from lumnisai_core.local.web.shapes import Object, Shape, UserName
from lumnisai_core.local.web.text import short_title
from lumnisai_core.local.web.work import Work

_RESTARTED = "The service was restarted while this run was in progress; start it again."
_STOP_GRACE = 1.0
#: Version of a run that has ended.
ENDED = -1
#: The longest time in seconds that those who show an answer as it grows let a poll be held.
_WATCHING = 2.0
#: Seconds until a run that could not be stored is tried again.
_DISK_PAUSE = 0.5
#: Size of input in characters from which on work on it does not hold up the event loop.
_LARGE = 20_000
_T = TypeVar("_T")
_logger = logging.getLogger("lumnisai_core.local")


class MessageBody(Shape):
    """One message."""

    role: Role
    content: str


class FileBody(Shape):
    """A file named by its address."""

    name: str
    uri: str
    mime_type: str | None = None
    size_bytes: int | None = None


class CreateRun(Shape):
    """Body of `POST /v1/responses`."""

    messages: list[MessageBody] = Field(min_length=1)
    thread_id: str | None = None
    user_id: UserName | None = None
    response_format: Object | None = None
    response_format_instructions: str | None = None
    model_overrides: Object | None = None
    agent_config: Object | None = None
    files: list[FileBody] | None = None
    options: Object | None = None
    specialized_agent: str | None = None
    specialized_agent_params: Object | None = None


@dataclass(eq=False)
class _Live:
    """A run that has not ended."""

    run: RunRow
    began: float = field(default_factory=time.perf_counter)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    grown: asyncio.Event = field(default_factory=asyncio.Event)
    version: int = 0
    report: LiveReport | None = None
    task: asyncio.Task[None] | None = None

    def announce(self, is_growth: bool = False) -> None:
        """Wake the polls that wait for any change; when only an answer has grown, those that wait for its text."""
        self.version += 1
        self.grown.set()
        self.grown = asyncio.Event()
        if not is_growth:
            self.changed.set()
            self.changed = asyncio.Event()

    def end(self) -> None:
        """Wake all polls."""
        self.grown.set()
        self.changed.set()
        self.ended.set()


class Runs:
    """All runs of a service. Every method must be called in the service's event loop."""

    def __init__(self, store: Store, library: Library, settings: Settings) -> None:
        self._library = library
        self._store = store
        self._engine: Engine = settings.engine
        self._poll = settings.poll
        self._entry_ids = settings.entry_ids
        self._is_durable = settings.path is not None
        self._live: dict[str, _Live] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._work = Work()
        self._stopping = False

    def recover(self) -> None:
        """Start queued runs; fail those that were in progress when the service ended."""
        for run in self._store.open_runs():
            if run.status == "queued":
                self.start(run)
            else:
                error = dumps({"code": "SERVICE_RESTARTED", "message": _RESTARTED})
                made = self._store.saved_progress(run.response_id)
                progress = run.progress if made == "[]" else made  # older services kept all of it in the run
                end = {"status": "failed", "error": error, "completed_at": now(), "progress": progress}
                self._store.end_run(run, None, (), **end)

    async def check(self, tenant_id: str, schema: Object | None) -> None:
        """Refuse a response format that is not a valid JSON Schema, or would take too much work."""
        if schema is None:
            return
        try:
            await self._do(tenant_id, len(dumps(schema)), compile_schema, schema)
        except SchemaError as error:
            message = f"response_format is not a usable JSON Schema: {error}"
            raise ApiError(400, "INVALID_RESPONSE_FORMAT", message) from error

    async def _do(self, tenant_id: str, size: int, function: Callable[..., _T], *arguments: Any) -> _T:
        """Do work on a tenant's input, whose size is in characters: off the event loop if it is large."""
        return await self._work.do(tenant_id, function, *arguments) if size > _LARGE else function(*arguments)

    def accept(self, thread: Thread, user_id: str | None, body: CreateRun, created_at: str) -> RunRow:
        """Store a new run as queued; call `start` once the transaction around this is committed."""
        rest = body.model_dump(mode="json", exclude={"messages", "thread_id", "user_id"}, exclude_none=True)
        run = RunRow(
            thread_id=thread.thread_id,
            tenant_id=thread.tenant_id,
            user_id=user_id,
            input_messages=dumps([message.model_dump() for message in body.messages]),
            options=None if body.options is None else dumps(body.options),
            created_at=created_at,
            request=dumps(rest),
        )
        self._store.add_run(run)
        return run

    def start(self, run: RunRow) -> None:
        """Begin an accepted run in the background."""
        live = self._live[run.response_id] = _Live(run)
        live.task = asyncio.create_task(self._execute(live))
        self._tasks.add(live.task)
        live.task.add_done_callback(self._tasks.discard)

    def reported(self, run: RunRow) -> Mapping[str, Any]:
        """Return the progress and the title of a run that works, which are not in its row yet."""
        live = self._live.get(run.response_id)
        return {} if live is None or live.report is None else live.report.columns()

    async def hold(self, response_id: str, seconds: float) -> None:
        """Wait until the run ends (or changes, with `poll="on-change"`), the time is over, or the service stops.

        The text of an answer that grows is a change for polls of those who watch: others let theirs be held for long.
        """
        live = self._live.get(response_id)
        if live is None or seconds <= 0 or self._stopping:
            return
        event = live.grown if seconds <= _WATCHING else live.changed
        await _until(live.ended if self._poll == "end-only" else event, seconds)

    async def watch(self, response_id: str, seen: int, seconds: float) -> int:
        """Wait, as `hold` does, while a run is in the version `seen`; return its version, `ENDED` if it has ended."""
        live = self._live.get(response_id)
        if live is not None and live.version == seen and not self._stopping:
            await _until(live.grown, seconds)
        return live.version if live is not None and response_id in self._live else ENDED

    def change(self, response_id: str) -> asyncio.Event | None:
        """Return what is set when a run changes, also its text; None if it has ended, or the service stops."""
        live = self._live.get(response_id)
        return None if live is None or self._stopping else live.grown

    def give(self, feedback: rows.Feedback) -> bool:
        """Store feedback and hand it to its run; false if the run has already ended."""
        live = self._live.get(feedback.response_id)
        if live is None:
            return False
        self._store.feedback.add(feedback)
        if live.report is not None:
            live.report.give(_feedback_of(feedback))
        return True

    def cancel(self, response_id: str) -> bool:
        """Stop a run; false if it has already ended."""
        live = self._live.get(response_id)
        if live is None:
            return False
        self._end(live, status="cancelled")
        if live.task is not None:
            live.task.cancel()
        return True

    def cancel_where(self, chosen: Callable[[RunRow], bool]) -> None:
        """Stop all chosen runs."""
        for live in [live for live in self._live.values() if chosen(live.run)]:
            self.cancel(live.run.response_id)

    async def stop(self) -> None:
        """Answer held polls and stop the engines; stored runs stay as they are, for `recover` at the next start."""
        self._stopping = True
        for live in self._live.values():
            if live.report is not None:
                with suppress(sqlite3.Error):  # then the last moments are lost, and only they
                    live.report.flush()
                live.report.close()
            live.end()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_STOP_GRACE)

    async def _execute(self, live: _Live) -> None:
        run = live.run
        key = {"response_id": run.response_id}
        await self._write(live, lambda: self._store.runs.change(key, status="in_progress"))
        early = map(_feedback_of, self._store.feedback.all(response_id=run.response_id, oldest_first=True))
        loop = asyncio.get_running_loop()
        live.report = LiveReport(
            loop,
            live.announce,
            partial(self._save, run.response_id),
            self._consume,
            list(early),
            _ids=self._entry_ids,
            _is_saved_at_once=self._is_durable,
        )
        live.announce()
        try:
            request = await self._request(run)
            result = await self._engine.run(request, live.report)
            values = await self._do(run.tenant_id, len(run.request), _outcome, result, request)
        except EngineError as error:
            values = _failure(error.code, error.message)
        except asyncio.CancelledError:
            if self._stopping or live.ended.is_set():
                raise
            values = _failure("ENGINE_ERROR", "CancelledError: the engine gave up the run")
        except Exception as error:
            _logger.exception("The engine failed run %s", run.response_id)
            values = _failure("ENGINE_ERROR", f"{type(error).__name__}: {error}")
        await self._write(live, lambda: self._end(live, **values))

    async def _write(self, live: _Live, write: Callable[[], object]) -> None:
        """Write to the database, again and again while its disk is full: a run that was accepted has to end."""
        is_logged = False
        while not self._stopping and not live.ended.is_set():
            try:
                write()
                return
            except sqlite3.OperationalError as error:
                if not is_logged:
                    _logger.error("Run %s cannot be stored and waits: %s", live.run.response_id, error)
                is_logged = True
                await asyncio.sleep(_DISK_PAUSE)

    def _consume(self, ids: list[str]) -> None:
        with self._store.transaction():
            for feedback_id in ids:
                self._store.feedback.change({"feedback_id": feedback_id}, is_consumed=True, consumed_at=now())

    def _save(self, response_id: str, changes: Changes) -> None:
        self._store.save_progress(response_id, changes.entries, is_reset=changes.is_reset, title=changes.title)

    async def _request(self, run: RunRow) -> RunRequest:
        new = tuple(_messages(run.input_messages))
        earlier: list[Message] = []
        earlier_files: list[Object] = []
        for messages, text, structured, request in self._store.earlier_turns(run):
            earlier_files.extend(json.loads(request).get("files", ()))
            earlier.extend(_messages(messages))
            if answer := _answer(text, structured):
                earlier.append(Message("assistant", answer))
        fields = json.loads(run.request)
        own_files = fields.pop("files", [])
        return RunRequest(
            response_id=run.response_id,
            thread_id=run.thread_id,
            tenant_id=run.tenant_id,
            user_id=run.user_id,
            messages=(*earlier, *new),
            input_messages=new,
            files=await self._files(run, earlier_files, own_files, fields.get("options") or {}),
            search=partial(self._search, run),
            **fields,
        )

    async def _search(
        self, run: RunRow, query: str, limit: int, *, file_ids: Sequence[str] | None = None
    ) -> list[Passage]:
        return await self._library.passages(self._work, run.tenant_id, run.user_id, query, limit, file_ids=file_ids)

    async def _files(
        self, run: RunRow, earlier: list[Object], own: list[Object], options: Object
    ) -> tuple[Mapping[str, Any], ...]:
        """Return the files of a run, and the stored ones of the thread's earlier runs."""
        everything = options.get("use_files") is True
        if not earlier and not own and not everything:
            return ()
        found = await self._library.attached(run.tenant_id, run.user_id, [*earlier, *own], everything=everything)
        addresses = {str(item["uri"]) for item in own}
        return tuple(item for item in found if "text" in item or str(item["uri"]) in addresses)

    def _end(self, live: _Live, **values: str | None) -> None:
        title = live.report.close() if live.report else None
        if live.report:
            values["progress"] = live.report.columns()["progress"]
        if title is None and values["status"] == "succeeded":
            messages = list(_messages(live.run.input_messages))
            of_user = [message.content for message in messages if message.role == "user"]
            title = short_title((of_user or [messages[-1].content])[-1])
        made = (_artifact(live.run, *item) for item in enumerate(json.loads(values.get("artifacts") or "[]")))
        artifacts = {artifact.artifact_id: artifact for artifact in made}  # of several with one id the last counts
        self._store.end_run(live.run, title, artifacts.values(), response_title=title, completed_at=now(), **values)
        self._live.pop(live.run.response_id, None)
        live.end()
        self._log_end(live, **values)

    def _log_end(self, live: _Live, *, status: str | None, error: str | None = None, **_: str | None) -> None:
        def engine() -> str:
            agent = json.loads(live.run.request).get("specialized_agent")
            chosen = self._engine
            return chosen.name_of(agent) if isinstance(chosen, AgentEngines) else type(chosen).__name__

        code = json.loads(error)["code"] if error else None
        user = live.run.user_id
        run_ended(live.run.response_id, status or "", live.began, engine=engine, user=user, code=code)


async def _until(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, but not longer than some seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _feedback_of(stored: rows.Feedback) -> Feedback:
    """Return stored feedback as engines see it."""
    return Feedback(
        stored.feedback_id,
        stored.feedback_text,
        stored.feedback_type,
        stored.user_id,
        stored.progress_id,
        stored.tool_call_id,
        None if stored.tool_args_update is None else json.loads(stored.tool_args_update),
    )


def _messages(text: str) -> Iterator[Message]:
    return (Message(**item) for item in json.loads(text))


def _answer(text: str | None, structured: str | None) -> str:
    """Return what the conversation has of a run's answer: its text, and its object (JSON) unless that is the text."""
    if structured is None or not text:
        return text or structured or ""
    with suppress(ValueError):
        return structured if isinstance(json.loads(text), dict) else f"{text}\n{structured}"
    return f"{text}\n{structured}"


def _failure(code: str, message: str) -> dict[str, str | None]:
    text = message.encode(errors="replace").decode()
    return {"status": "failed", "error": dumps({"code": code, "message": text})}


def _are_tool_calls(value: Any, schema: Mapping[str, Any]) -> bool:
    """Return whether a misfit asks for tools, whose names and arguments the caller checks and corrects."""
    known = schema.get("properties", {})
    return (
        "tool_calls" in known
        and known.keys() <= {"tool_calls", "content"}
        and isinstance(value, Mapping)
        and value.keys() <= known.keys()
        and isinstance(value["tool_calls"], list)
        and len(value["tool_calls"]) > 0
    )


def _outcome(result: RunResult, request: RunRequest) -> dict[str, str | None]:
    """Return the columns of an engine's result; a structured answer must satisfy the request's schema."""
    structured = result.structured_response
    if not isinstance(result.output_text, str | None):
        raise TypeError(f"output_text must be a string or None, got {type(result.output_text).__name__}")
    dumps(result.output_text)
    if structured is not None and request.response_format is not None:
        schema = request.response_format
        structured, reason = fit_schema(structured, schema)
        if reason is not None and not _are_tool_calls(structured, schema):
            return _failure("STRUCTURED_OUTPUT_INVALID", f"The structured answer does not fit the schema: {reason}")
    return {
        "status": "succeeded",
        "output_text": result.output_text,
        "structured_response": None if structured is None else dumps(structured),
        "artifacts": dumps([dict(item) for item in result.artifacts]) if result.artifacts else None,
        "usage": _usage(result.usage),
        "model": result.model,
    }


def _usage(counts: Mapping[str, int] | None) -> str | None:
    """Return the numbers of tokens as JSON; the total is the sum where an engine leaves it out."""
    if counts is None:
        return None
    if any(isinstance(count, bool) or not isinstance(count, int) or count < 0 for count in counts.values()):
        raise TypeError(f"usage must be whole numbers of tokens, got {dict(counts)!r}")
    known = {name: counts.get(name, 0) for name in ("input_tokens", "output_tokens")}
    return dumps({**known, "total_tokens": counts.get("total_tokens", sum(known.values()))})


# Artifacts


def with_content(inline: Json[list[Object]] | None) -> Json[list[Object]] | None:
    """Return inline artifacts (JSON) in the shape with one `content`."""
    return None if inline is None else dumps([_content_of(item) for item in json.loads(inline)])


def _content_of(item: Object) -> Object:
    if not isinstance(item.get("parts"), list):
        return {"type": "text", "content": "", **item}
    language = {"language": item["language"]} if item.get("language") else {}
    return {"type": "text", "content": _text_of(item), **language}


def _text_of(item: Object) -> str:
    parts = item["parts"] if isinstance(item.get("parts"), list) else []
    texts = [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return "\n".join(texts) if texts else str(item.get("content") or "")


def _artifact(run: RunRow, index: int, item: Object) -> ArtifactRow:
    name = str(item.get("name") or f"artifact-{index + 1}")
    own_id = str(item.get("artifactId") or item.get("artifact_id") or index)
    try:
        artifact_id = str(UUID(own_id.removeprefix("artifact_")))
    except ValueError:
        artifact_id = str(uuid5(UUID(run.response_id), own_id))
    return ArtifactRow(
        artifact_id=artifact_id,
        response_id=run.response_id,
        tenant_id=run.tenant_id,
        user_id=run.user_id,
        name=name,
        mime_type=mimetypes.guess_type(name)[0] or "text/plain",
        text=_text_of(item),
    )
