"""LumnisBatch: a callable that sends each row of a block to an agent, for any engine that maps blocks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from copy import copy
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar, cast
from uuid import UUID, uuid4

from pydantic import BaseModel

from lumnisai_core import InvokeParameters, RunParameters, Scope
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations.bulk.blocks import BlockT, Row, columns_of, rows_of, widened
from lumnisai_integrations.bulk.worker import (
    Block,
    JobSettings,
    RowRequest,
    Sharing,
    Use,
    as_error,
    close_idle,
    stop_runs,
)

#: Where a value of a row comes from: the name of a column, or a function of the row.
Source: TypeAlias = str | Callable[[Row], Any]

T = TypeVar("T")

#: The columns that a batch adds.
_COLUMNS = ("answer", "structured", "response_id", "status", "error")


class LumnisBatch:
    """A callable that runs an agent for each row of a block and adds the answers as columns.

    It is made for engines that map blocks over many processes: it can be pickled, has no framework, and each process
    has one event loop and one client for it, which close when they are not used. Rows of several calls run together,
    up to ``max_in_flight`` of them.

    A row never raises: what went wrong is in the column ``error``. A row has one run, however often its block is
    tried: the idempotency key comes from ``job``, the row's ``key`` and the whole request, so that a process that was
    killed or a second start of the job makes no second run, and a row whose request has changed has a new one.

    Args:
        job: Name of the job. Another name means other runs.
        key: What identifies a row: a column, or a function of the row, with a string, integer or UUID.
        prompt: What to ask: a column, or a function of the row, with a string, a message or a list of messages.
        user_id: User of all runs. Required in user scope, unless ``user`` is set.
        user: The user of a row: a column or a function.
        thread: The thread that a row continues: a column or a function; None for a new one.
        parameters: Parameters of all runs (:class:`lumnisai_core.InvokeParameters`, such as ``agent_config`` and
            ``run_timeout``); or those of a row: a column or a function.
        schema: Pydantic class or JSON Schema of the object to return in the column ``structured``.
        max_in_flight: Runs at the same time in each process. Default 100.
        ledger: Folder that records the runs, so that a second start asks the service for nothing that is finished: a
            path that all machines see, or a URL such as ``s3://bucket/ledgers`` with fsspec. It keeps the answers.
        attempts: Number of runs of a row that may fail. Default 1; with 2, also at a later start, a row that failed
            has a second run.
        prefix: Put in front of the names of the new columns.
        api_key_env: Name of the environment variable with the API key, on each machine. Default
            ``LUMNISAI_API_KEY``.
        base_url: Address of the service. Default: the variable ``LUMNISAI_BASE_URL`` on each machine.
        tenant_id: Tenant of a cross-tenant key. Default: the variable ``LUMNISAI_TENANT_ID`` on each machine.
        scope: ``user`` (default) or ``tenant``.
        timeout: Seconds that a try of a request may take. Default: that of the client.
        max_retries: Retries of a request, such as after 429, when all rows pause together. Default 10.

    Raises:
        ValidationError: An argument is invalid.
    """

    def __init__(
        self,
        *,
        job: str,
        key: Source,
        prompt: Source,
        user_id: str | UUID | None = None,
        user: Source | None = None,
        thread: Source | None = None,
        parameters: InvokeParameters | Mapping[str, Any] | Source | None = None,
        schema: type[BaseModel] | Mapping[str, Any] | None = None,
        max_in_flight: int = 100,
        ledger: str | Path | None = None,
        attempts: int = 1,
        prefix: str = "",
        api_key_env: str = "LUMNISAI_API_KEY",
        base_url: str | None = None,
        tenant_id: str | UUID | None = None,
        scope: Scope | str = Scope.USER,
        timeout: float | None = None,
        max_retries: int = 10,
    ) -> None:
        for name, source in {"key": key, "prompt": prompt, "user": user, "thread": thread}.items():
            if source is not None and not (isinstance(source, str) and source) and not callable(source):
                raise ValidationError(f"{name} must be the name of a column or a function of a row, not {source!r}.")
        for name, number in {"max_in_flight": max_in_flight, "attempts": attempts}.items():
            if not isinstance(number, int) or isinstance(number, bool) or number < 1:
                raise ValidationError(f"{name} must be a whole number, 1 or more, not {number!r}.")
        for name, text in {"job": job, "api_key_env": api_key_env}.items():
            if not isinstance(text, str) or not text.strip():
                raise ValidationError(f"{name} must be a non-empty string, not {text!r}.")
        if user is not None and user_id is not None:
            raise ValidationError("user_id is one user for all rows and user that of each row: pass one of them.")
        if not user and not user_id and str(scope) == Scope.USER:
            raise ValidationError("user scope needs a user: pass user_id, or user as a column or a function of a row.")
        common = dict(parameters) if isinstance(parameters, Mapping) else {}
        self._sources: dict[str, Source] = {
            name: source for name, source in {"user_id": user, "thread_id": thread}.items() if source is not None
        }
        self._key, self._prompt = key, prompt
        self._row_parameters: Source | None = None
        if parameters is not None and not isinstance(parameters, Mapping):
            self._row_parameters = parameters
        if schema is not None:
            common["response_format"] = schema if isinstance(schema, Mapping) else schema.model_json_schema()
        client = {"base_url": base_url, "tenant_id": tenant_id, "timeout": timeout, "user_id": user_id}
        self._settings = JobSettings(
            job,
            max_in_flight,
            _checked(common),
            {name: value for name, value in client.items() if value is not None}
            | {"scope": str(scope), "max_retries": max_retries},
            api_key_env,
            None if ledger is None else str(ledger),
            attempts,
        )
        self._names = tuple(prefix + name for name in _COLUMNS)
        self._id = str(uuid4())

    @property
    def job(self) -> str:
        """Name of the job."""
        return self._settings.job

    @property
    def max_in_flight(self) -> int:
        """Runs at the same time in each process."""
        return self._settings.max_in_flight

    def __call__(self, block: BlockT) -> BlockT:
        """Run the agent for each row and return the block with the columns that the class adds.

        Args:
            block: A dict of columns, a list of dicts, a pandas data frame, an Arrow table or record batch.

        Returns:
            A new block of the same form. In Arrow tables and NumPy columns, the new columns are text, and
            ``structured`` is JSON; elsewhere it is an object.

        Raises:
            ValidationError: The block has no such column, or has one of the new ones already.
            ConfigurationError: The variable with the API key is not set.
        """
        return self.run(block, Sharing())

    def run(self, block: BlockT, sharing: Sharing) -> BlockT:
        """Do the same as a call, with what the workers of a cluster share."""
        rows = self._requests(block)
        if not rows:
            return self._widened(block, [])
        with self._use(sharing) as worker:
            return self._widened(block, worker.start(rows).results(sharing.is_over))

    def stream(self, blocks: Iterable[BlockT]) -> Generator[BlockT, None, None]:
        """Do the same for many blocks, in their order, with rows of later blocks under way while earlier ones end.

        Args:
            blocks: The blocks. They are taken as there is room for their rows.

        Yields:
            Each block with the columns that the class adds. Leaving early stops the runs under way.
        """
        waiting: deque[tuple[BlockT, Block]] = deque()
        with self._use(Sharing()) as worker:
            try:
                for block in blocks:
                    waiting.append((block, worker.start(self._requests(block))))
                    # Behind the oldest block, there are rows enough to use all the room.
                    while waiting and (
                        waiting[0][1].is_done
                        or sum(one.rows for _, one in waiting) - waiting[0][1].rows >= self._settings.max_in_flight
                    ):
                        first, started = waiting.popleft()
                        yield self._widened(first, started.results())
                while waiting:
                    first, started = waiting.popleft()
                    yield self._widened(first, started.results())
            finally:
                for _, started in waiting:
                    started.stop()

    def with_room(self, max_in_flight: int) -> Self:
        """Return the same batch with another limit of runs at the same time in each process."""
        batch = copy(self)
        batch._settings = replace(self._settings, max_in_flight=max_in_flight)
        batch._id = str(uuid4())
        return batch

    async def stop(self, runs: Collection[str]) -> None:
        """Stop runs that a killed process has left, unless ``cancel_on_interrupt`` is False.

        Args:
            runs: Their ids. What has ended, or cannot be stopped, is left out.
        """
        await stop_runs(self._settings, runs)

    def open(self, sharing: Sharing) -> None:
        """Open the client of this process, so that the first rows need not wait for it.

        Args:
            sharing: What the workers of a cluster share.

        Raises:
            ConfigurationError: The variable with the API key is not set.
        """
        with self._use(sharing):
            pass

    def close(self) -> None:
        """Close the client of this process, if it is not used now. A later call opens a new one."""
        close_idle(self._id)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(job={self.job!r}, max_in_flight={self.max_in_flight})"

    def _use(self, sharing: Sharing) -> Use:
        return Use(self._id, self._settings, sharing)

    def _requests(self, block: object) -> list[RowRequest]:
        sources = (self._key, self._prompt, self._row_parameters, *self._sources.values())
        named = None if any(map(callable, sources)) else [source for source in sources if isinstance(source, str)]
        rows = rows_of(block, named)
        taken = [name for name in self._names if name in columns_of(block)]
        if taken:
            raise ValidationError(
                f"the block has a column {taken[0]!r} already: rename it, or pass prefix= for the new columns."
            )
        return [self._request(row) for row in rows]

    def _request(self, row: Row) -> RowRequest:
        try:
            key = _value(self._key, row)
            if isinstance(key, bool) or not isinstance(key, str | int | UUID) or key == "":
                raise ValidationError(
                    f"the key of a row must be a non-empty string, an integer or a UUID, not {key!r}."
                )
            of_row = {} if self._row_parameters is None else dict(_value(self._row_parameters, row) or {})
            of_row |= {name: _id(_value(source, row)) for name, source in self._sources.items()}
            return RowRequest(str(key), _value(self._prompt, row), cast("RunParameters", _without_key(of_row)))
        except Exception as error:  # noqa: BLE001 - whatever a row or a function of the caller has
            return RowRequest(error=as_error(error))

    def _widened(self, block: BlockT, results: list[dict[str, Any]]) -> BlockT:
        named = [dict(zip(self._names, (result[name] for name in _COLUMNS), strict=True)) for result in results]
        return widened(block, named, self._names)


def _value(source: Source, row: Row) -> Any:
    if callable(source):
        return source(row)
    if source not in row:
        raise ValidationError(f"the row has no column {source!r}.")
    return row[source]


def _id(value: object) -> str | None:
    """Return an id of a row; data frames have NaN where there is none."""
    return None if value is None or value != value else str(value)


def _checked(parameters: dict[str, Any]) -> InvokeParameters:
    unknown = sorted(parameters.keys() - InvokeParameters.__annotations__.keys())
    if unknown:
        known = ", ".join(InvokeParameters.__annotations__)
        raise ValidationError(f"parameters has unknown names {', '.join(unknown)}; known: {known}.")
    return cast("InvokeParameters", _without_key(parameters))


def _without_key(parameters: dict[str, Any]) -> dict[str, Any]:
    if parameters.get("idempotency_key") is not None:
        raise ValidationError("idempotency_key comes from job, key and the request: leave it out of the parameters.")
    return parameters
