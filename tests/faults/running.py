"""Running one cell of the table: a fresh user and client, one fault, and what must hold whatever comes of it."""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

from lumnisai_core import AsyncClient, Client, RequestInfo
from lumnisai_core._transport.retry import RetryPolicy
from lumnisai_core.exceptions import LumnisAIError, RateLimitError, RunError, TransportError
from lumnisai_core.local import LocalLumnis, RunReport, RunRequest, RunResult
from tests.faults.expectations import MAX_RETRIES, Cell, Fault, Kind, Lasting, Outcome
from tests.faults.proxy import LARGE, Plan, Proxy

KEY = "lmn_live_the-key-that-nobody-may-see"
FILE = b"The tide turns at noon."

#: Seconds to wait for an answer; the others are for requests that get none, and once at least one that does.
_TIMEOUT = 10.0
_SHORT_TIMEOUTS = {Lasting.ONCE: 0.5, Lasting.ALWAYS: 0.15}

#: Faults that last until the client has had enough.
_SLOW = (Fault.STALLED, Fault.TRICKLED)

#: Faults in which no answer says how the run is.
_UNREADABLE = (Fault.ODD_ENUMS, Fault.NULLS, Fault.WRONG_TYPES)

_POLICY = RetryPolicy(max_retries=MAX_RETRIES, first_pause=0.01)


class AnsweringEngine:
    """Answers at once; a run with the text "Endless" works until the service stops."""

    def __init__(self) -> None:
        self.endless = threading.Event()

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        report.progress("Looking.")
        if request.input_messages[-1].content == "Endless":
            self.endless.set()
            await asyncio.Event().wait()
        return RunResult(output_text="At noon.")


class World:
    """A service and the proxy in front of it; use it with ``with``.

    Args:
        path: Database of the service, for one that is restarted.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._engine = AnsweringEngine()
        self.local = LocalLumnis(engine=self._engine, api_key=KEY, path=path, step_delay=0)
        self.proxy = Proxy(lambda: self.local.base_url, self._restart)
        self._http = httpx.Client(headers={"Authorization": f"Bearer {KEY}"}, trust_env=False, verify=False)

    def _restart(self) -> None:
        if self.proxy.plan is not None and self.proxy.plan.kind in (Kind.CREATE, Kind.POLL):
            self._engine.endless.wait(_TIMEOUT)  # the run is in progress
        self.local.close()
        self.local.start()

    def __enter__(self) -> Self:
        self.local.start()
        self.proxy.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()
        self.proxy.__exit__(kind, error, trace)
        self.local.close()

    def runs_of(self, user_id: str) -> list[str]:
        """Ask the service itself which runs a user has."""
        return [run["response_id"] for run in self._all("responses", user_id)]

    def files_of(self, user_id: str) -> list[str]:
        """Ask the service itself which files a user has."""
        return [file["id"] for file in self._all("files", user_id)]

    def _all(self, what: str, user_id: str) -> list[dict[str, Any]]:
        answer = self._http.get(f"{self.local.base_url}/v1/{what}", params={"user_id": user_id})
        if answer.status_code == 404:  # the user is made by the first request in its name
            return []
        found: list[dict[str, Any]] = answer.json()[what]
        return found


@dataclass
class Done:
    """What became of one cell.

    Attributes:
        outcome: What the caller got.
        broken: Promises that were broken, in words; always empty if the client is right.
    """

    outcome: Outcome
    broken: list[str] = field(default_factory=list)


#: Ways to use a client: makes it and calls an action with it.
Action = Callable[[Any], Any]
Use = Callable[[Callable[..., Any], Action], Any]


def _blocking(make: Callable[..., Any], action: Action) -> Any:
    with make(Client) as client:
        return action(client)


def _asyncio_aiohttp(make: Callable[..., Any], action: Action) -> Any:
    async def main() -> Any:
        async with make(AsyncClient) as client:
            return await _awaited(action(client))

    return asyncio.run(main())


def _asyncio_httpx(make: Callable[..., Any], action: Action) -> Any:
    async def main() -> Any:
        # This one sends the key in the other header, which httpx does not know to be secret.
        async with (
            httpx.AsyncClient(trust_env=False, verify=False) as own,
            make(AsyncClient, http_client=own, auth="x-api-key") as client,
        ):
            return await _awaited(action(client))

    return asyncio.run(main())


async def _awaited(result: Awaitable[Any]) -> Any:
    return await result


CLIENTS: dict[str, Use] = {
    "Client": _blocking,
    "AsyncClient on httpx": _asyncio_httpx,
    "AsyncClient on aiohttp": _asyncio_aiohttp,
}


def run_cell(cell: Cell, use: Use, world: World) -> Done:
    """Run one cell.

    Args:
        cell: What is to go wrong.
        use: Which client to use.
        world: A service that may be shared, as every cell has a user of its own.
    """
    with ExitStack() as stack:
        if cell.fault is Fault.RESTART:
            folder = Path(stack.enter_context(TemporaryDirectory()))
            world = stack.enter_context(World(folder / "lumnis.db"))
        world.proxy.expect(None)
        records = stack.enter_context(_all_logs())
        return _Trial(cell, use, world, records).done()


class _Trial:
    """One cell while it runs."""

    def __init__(self, cell: Cell, use: Use, world: World, records: list[str]) -> None:
        self._cell = cell
        self._use = use
        self._world = world
        self._seen = records
        self._user = f"user-{uuid4()}"
        self._tries = 1
        self._earlier: list[str] = []

    def done(self) -> Done:
        """Run it and check the promises."""
        cell, proxy = self._cell, self._world.proxy
        if cell.kind is Kind.LIST:
            self._call(lambda client: client.invoke("When does the tide turn?"))
            self._earlier = self._world.runs_of(self._user)
        proxy.expect(Plan(cell.fault, cell.kind, cell.lasting))
        result, error = None, None
        try:
            result = self._call(self._action)
        except Exception as caught:  # noqa: BLE001 - that nothing foreign comes is what is checked
            error = caught
            self._seen += _texts(caught)
        self._seen.append(repr(result)[:10_000])
        tries = self._tries
        broken = list(self._check(result, error))
        return Done(Outcome(type(error).__name__ if error else None, tries), broken)

    def _action(self, client: Any) -> Any:
        match self._cell.kind:
            case Kind.LIST:
                return client.list_responses()
            case Kind.UPLOAD:
                return client.files.upload(file_content=FILE, file_name="a.txt")
        text = "Endless" if self._cell.fault is Fault.RESTART else "When does the tide turn?"
        # Whoever listens polls in short turns, so that a poll without an answer is soon given up.
        listening = {"on_progress": lambda update: self._seen.append(repr(update)), "progress_interval": 0.1}
        cell = self._cell
        is_endless = cell.fault in _UNREADABLE and cell.kind is Kind.POLL and cell.lasting is Lasting.ALWAYS
        endless = {"run_timeout": 0.2} if is_endless else {}
        return client.invoke(text, **(listening if cell.fault in _SLOW else endless))

    def _call(self, action: Action) -> Any:
        stalled = self._cell.fault in _SLOW and self._world.proxy.plan is not None

        def make(kind: type[Client | AsyncClient], **more: Any) -> Any:
            client: Any = kind(
                KEY,
                base_url=self._world.proxy.base_url,
                user_id=self._user,
                timeout=_SHORT_TIMEOUTS[self._cell.lasting] if stalled else _TIMEOUT,
                on_request=self._heard,
                max_answer_size=1 << 20 if self._cell.fault is Fault.ENDLESS else 1 << 27,
                **more,
            )
            client._transport._policy = _POLICY
            self._seen.append(repr(client))
            return client

        return self._use(make, action)

    def _heard(self, request: RequestInfo) -> None:
        self._tries = max(self._tries, request.tries)
        self._seen.append(repr(request))

    def _check(self, result: Any, error: Exception | None) -> Iterator[str]:
        cell, proxy = self._cell, self._world.proxy
        sent, elsewhere = list(proxy.received), list(proxy.elsewhere)
        if error is not None and not isinstance(error, LumnisAIError):
            yield f"a foreign exception: {error!r}"
        if error is None and not self._is_right(result):
            yield f"a wrong answer: {result!r:.300}"
        if any(KEY in text for text in self._seen):
            yield "the key is in: " + next(text for text in self._seen if KEY in text)[:500]
        if any(KEY in str(request) for request in elsewhere):
            yield "the key went to another host"
        if any(request.method != "GET" for request in elsewhere):
            yield "data went to another host"
        if cell.kind is Kind.UPLOAD:
            uploads = [request for request in sent if request.kind is Kind.UPLOAD]
            if len(uploads) != 1 or FILE not in uploads[0].body:
                yield f"sent as upload: {uploads}"
            if len(files := self._world.files_of(self._user)) > 1:
                yield f"{len(files)} files of one upload"
        if cell.kind in (Kind.CREATE, Kind.POLL):
            keys = {request.headers["idempotency-key"] for request in sent if request.kind is Kind.CREATE}
            if len(keys) > 1:
                yield "a create went out with several keys"
            yield from self._check_run(error, keys.pop())

    def _is_right(self, result: Any) -> bool:
        match self._cell.kind:
            case Kind.LIST:
                return [run.response_id for run in result.responses] == self._earlier
            case Kind.UPLOAD:
                return [result.file_id] == self._world.files_of(self._user)
        large = self._cell.fault is Fault.LARGE and self._cell.kind is Kind.POLL
        return (
            result.status == "succeeded"
            and (result.output_text == "x" * LARGE if large else result.output_text == "At noon.")
            and [result.response_id] == self._world.runs_of(self._user)
        )

    def _check_run(self, error: Exception | None, idempotency_key: str) -> Iterator[str]:
        """Check that a run is made once at the most, and that the error says how to get at it."""
        runs = self._world.runs_of(self._user)
        if len(runs) > 1:
            yield f"{len(runs)} runs for one create"
        if error is None:
            return
        if isinstance(error, RunError) and error.response_id not in runs:
            yield "the error names another run"
        if isinstance(error, RunError) and error.response_id not in str(error):
            yield "the error's text does not name its run"
        # The service is well again, and the caller does what the error says.
        self._world.proxy.expect(None)
        said = "".join(traceback.format_exception(error))
        if runs and runs[0] in said:
            if self._cell.fault is not Fault.RESTART:
                again = self._call(lambda client: client.responses.wait(runs[0]))
                if again.output_text != "At noon.":
                    yield "the run cannot be picked up again"
        elif idempotency_key in said and isinstance(error, TransportError | RateLimitError):
            again = self._call(
                lambda client: client.invoke("When does the tide turn?", idempotency_key=idempotency_key)
            )
            if again.output_text != "At noon." or [again.response_id] != self._world.runs_of(self._user):
                yield "sending it again with its key does not lead to the one run"
        else:
            yield f"neither run nor key are in the error: {said[-500:]}"


def _texts(error: Exception) -> Iterator[str]:
    """Give everything that may be shown or stored of an error."""
    yield from (str(error), repr(error), repr(vars(error)), "".join(traceback.format_exception(error)))
    if isinstance(error, LumnisAIError):
        stored = pickle.dumps(error)
        yield stored.decode("latin-1")
        yield repr(vars(pickle.loads(stored)))
    cause: BaseException | None = error
    while cause is not None:
        yield repr(cause) + repr(cause.args)
        for frame, _ in traceback.walk_tb(cause.__traceback__):
            if frame.f_globals.get("__name__", "").startswith("lumnisai_core."):
                yield f"{frame.f_code.co_name}: {frame.f_locals!r}"  # as tools show it that report crashes
        cause = cause.__cause__ or cause.__context__


@contextmanager
def _all_logs() -> Iterator[list[str]]:
    """Collect what all loggers say, down to the last detail."""
    records: list[str] = []
    formatter = logging.Formatter()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(formatter.format(record) + repr(record.args))

    root, collector = logging.getLogger(), Collector()
    level = root.level
    root.addHandler(collector)
    root.setLevel(logging.DEBUG)
    try:
        yield records
    finally:
        root.setLevel(level)
        root.removeHandler(collector)
