"""Runs: ``/v1/responses``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import date
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack
from uuid import UUID

from lumnisai_core._transport._async.resource import AsyncResource
from lumnisai_core._transport.answer import model
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.checks import member, not_none, page_query, path, text, whole_number_between
from lumnisai_core.exceptions import ConflictError, ValidationError
from lumnisai_core.lumnis._async.following import AsyncRunStream, create_run, follow_run
from lumnisai_core.lumnis.calls import runs
from lumnisai_core.lumnis.calls.runs import InvokeParameters, MessagesInput, RunParameters, WatchParameters
from lumnisai_core.lumnis.config import Settings, user_id_from, user_of_call
from lumnisai_core.lumnis.models import (
    ArtifactList,
    FeedbackCreated,
    FeedbackList,
    FeedbackType,
    ResponseList,
    ResponseObject,
    ResponseStatus,
    Scope,
    StoredArtifact,
)
from lumnisai_core.lumnis.runs.spans import run_span

if TYPE_CHECKING:
    from lumnisai_core.lumnis._async.batch import AsyncRunJob, AsyncRunOutcomes
    from lumnisai_core.lumnis.runs.batch import RunInput
    from lumnisai_core.lumnis.runs.ledger import RunLedger
    from lumnisai_core.lumnis.runs.progress import JobProgressCallback

_FEEDBACK = runs.ROUTE + "/{}/feedback"
_LONGEST_FEEDBACK = 5000


class AsyncResponses(AsyncResource[Settings]):
    """Create, read, follow and cancel runs. Available as ``client.responses``."""

    async def create(self, messages: MessagesInput, **parameters: Unpack[RunParameters]) -> ResponseObject:
        """Create a run and return at once, usually while it is queued (POST /v1/responses).

        Args:
            messages: A string, one message, or the messages of a conversation.
            **parameters: See :class:`lumnisai_core.RunParameters`.

        Returns:
            The run with its ids and status. :meth:`wait` returns it with its answer.

        Raises:
            ValidationError: Something about the run is invalid; nothing was sent.
            LumnisAIError: The service cannot be reached or refuses the request.
        """
        start = runs.run_start(self._settings, messages, parameters)
        with run_span(start, self._transport.base_url, "create") as span, span.sending():
            _, run = await create_run(start, lambda call: self._send(span.carried_by(call)))
            return span.started(run)

    async def get(self, response_id: str, *, wait: float | None = None) -> ResponseObject:
        """Return the current state of a run (GET /v1/responses/{id}).

        Args:
            response_id: Id of the run.
            wait: Seconds for which the service may hold the request until the run ends. Default: it answers at once.

        Raises:
            NotFoundError: The run does not exist.
        """
        return await self._send(runs.get_call(response_id, wait=wait))

    async def list(
        self,
        *,
        user_id: str | UUID | None = None,
        scope: Scope | str | None = None,
        status: ResponseStatus | str | None = None,
        start_date: date | str | None = None,
        end_date: date | str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> ResponseList:
        """List runs, newest first (GET /v1/responses).

        Args:
            user_id: Only runs of this user. Required in user scope.
            scope: ``user`` or ``tenant`` instead of the client's scope.
            status: Only runs with this status.
            start_date: First day, as a date or ``YYYY-MM-DD``.
            end_date: Last day, inclusive.
            limit: Runs on the page, 1 to 100.
            offset: Runs to skip.
        """
        return await self._get(
            ResponseList,
            runs.ROUTE,
            user_id=user_of_call(self._settings, user_id=user_id, scope=scope),
            status=status,
            start_date=start_date,
            end_date=end_date,
            **page_query(limit=limit, offset=offset),
        )

    def iter(
        self,
        *,
        user_id: str | UUID | None = None,
        scope: Scope | str | None = None,
        status: ResponseStatus | str | None = None,
        start_date: date | str | None = None,
        end_date: date | str | None = None,
        page_size: int = 50,
    ) -> AsyncIterator[ResponseObject]:
        """Iterate over all runs, newest first, with the filters of :meth:`list`.

        Args:
            user_id: Only runs of this user. Required in user scope.
            scope: ``user`` or ``tenant`` instead of the client's scope.
            status: Only runs with this status.
            start_date: First day, as a date or ``YYYY-MM-DD``.
            end_date: Last day, inclusive.
            page_size: Runs to fetch at a time, 1 to 100.
        """
        return self._iterate(
            lambda place: self.list(
                user_id=user_id,
                scope=scope,
                status=status,
                start_date=start_date,
                end_date=end_date,
                limit=place.size,
                offset=place.position,
            ),
            page_size,
        )

    async def cancel(self, response_id: str) -> ResponseObject:
        """Cancel a run and return its state afterwards (POST /v1/responses/{id}/cancel).

        A run that has ended already is returned unchanged.

        Args:
            response_id: Id of the run.

        Raises:
            NotFoundError: The run does not exist.
        """
        refusal: ValidationError | None = None
        try:
            await self._send(runs.cancel_call(response_id))
        except (ConflictError, ValidationError) as error:
            if error.status_code not in (400, 409):
                raise
            refusal = error
        response = await self.get(response_id)
        if refusal is not None and not response.is_terminal:
            raise refusal
        return response

    async def wait(self, response_id: str, **parameters: Unpack[WatchParameters]) -> ResponseObject:
        """Wait for the end of an existing run, for example after a restart of your program.

        Args:
            response_id: Id of the run.
            **parameters: See :class:`lumnisai_core.WatchParameters`.

        Returns:
            The run with its answer.

        Raises:
            RunFailedError: The run failed.
            RunCancelledError: The run was cancelled.
            RunTimeoutError: The run did not end within ``run_timeout``; it continues on the service.
            NotFoundError: The run does not exist.
        """
        return await follow_run(self._transport, response_id, parameters, listening=False).result()

    def following(self, response_id: str, **parameters: Unpack[WatchParameters]) -> AsyncRunStream:
        """Follow an existing run: a stream of all its updates, from the first one.

        Args:
            response_id: Id of the run.
            **parameters: See :class:`lumnisai_core.WatchParameters`.
        """
        return follow_run(self._transport, response_id, parameters, listening=True)

    def map(
        self,
        inputs: Iterable[RunInput | MessagesInput],
        *,
        max_in_flight: int = 50,
        ledger: str | PathLike[str] | None = None,
        progress: bool | JobProgressCallback = False,
        **parameters: Unpack[InvokeParameters],
    ) -> AsyncRunOutcomes:
        """Create a run for each input, many at a time, and return the outcomes in the order in which runs end.

        A failure is a value: an outcome holds a run or an error. When the service answers that there are too many
        requests, all runs wait together. Leaving early stops the unfinished runs, unless ``cancel_on_interrupt=False``.

        Args:
            inputs: Strings, messages, conversations, or :class:`RunInput` with parameters of its own. Inputs are taken
                one by one, when there is room for another run.
            max_in_flight: Number of runs at the same time. Default 50.
            ledger: File that records the run of each input. Called again with the same inputs and the same file, also
                by several processes at once, a job continues its runs instead of creating them again.
            progress: Whether to show rows, rate, errors and the time left, as a line in a terminal or a bar in a
                notebook; or a function that is called with a :class:`JobProgress` after each outcome. Default False.
            **parameters: Parameters of all runs; see :class:`lumnisai_core.InvokeParameters`.

        Returns:
            An iterator of :class:`RunOutcome`, which also has ``progress`` and ``to_pandas()``.

        Raises:
            ValidationError: ``max_in_flight`` or the ledger is invalid, or the ledger cannot be written any more;
                the runs then continue, and the job can be started again.
        """
        from lumnisai_core.lumnis._async.batch import map_runs  # noqa: PLC0415 - jobs load on first use

        return map_runs(
            self._transport,
            self._settings,
            inputs,
            parameters,
            max_in_flight=max_in_flight,
            ledger=None if ledger is None else Path(ledger),
            progress=progress,
        )

    def job(
        self,
        job: str,
        *,
        ledger: RunLedger | None = None,
        attempts: int = 1,
        **parameters: Unpack[InvokeParameters],
    ) -> AsyncRunJob:
        """Describe a job whose inputs each have one run, however often and by how many processes it is started.

        :meth:`map` is a job that numbers its inputs; :class:`lumnisai_integrations.bulk.LumnisBatch` is one over the
        rows of a data set on several machines.

        Args:
            job: Name of the job. The idempotency keys of its runs come from it, the key of the input and the request.
            ledger: Where the job records its runs. Without one, they are found by their keys, as long as the service
                remembers these.
            attempts: Number of runs of an input that may fail: with 2, a failed run is followed by a second one.
            **parameters: Parameters of all runs; see :class:`lumnisai_core.InvokeParameters`.

        Raises:
            ValidationError: ``job`` is empty, or ``attempts`` is not a whole number of 1 or more.
        """
        from lumnisai_core.lumnis._async.batch import AsyncRunJob  # noqa: PLC0415 - jobs load on first use

        return AsyncRunJob(
            self._transport,
            self._settings,
            text("job", job),
            parameters,
            ledger=ledger,
            attempts=whole_number_between("attempts", attempts, 1, 100),
        )

    async def create_feedback(
        self,
        response_id: str,
        feedback_text: str,
        *,
        feedback_type: FeedbackType | str = FeedbackType.SUGGESTION,
        user_id: str | UUID | None = None,
        progress_id: str | None = None,
        tool_call_id: str | None = None,
        tool_args_update: Mapping[str, Any] | None = None,
    ) -> FeedbackCreated:
        """Send feedback to a run while it is working (POST /v1/responses/{id}/feedback).

        The agent reads feedback in order of arrival.

        Args:
            response_id: Id of the run.
            feedback_text: The feedback, 1 to 5000 characters.
            feedback_type: ``suggestion`` (default), ``correction`` or ``guidance``.
            user_id: Author of the feedback. Default: the client's user.
            progress_id: Progress entry that it refers to.
            tool_call_id: Tool call that it refers to.
            tool_args_update: New arguments for that tool call; requires ``tool_call_id``.

        Raises:
            ValidationError: The text or a combination is invalid; nothing was sent.
            ConflictError: The run has ended.
            NotFoundError: The run does not exist.
        """
        if not isinstance(feedback_text, str) or not 1 <= len(feedback_text) <= _LONGEST_FEEDBACK:
            raise ValidationError(f"feedback_text must be a string of 1 to {_LONGEST_FEEDBACK} characters.")
        if tool_args_update is not None and tool_call_id is None:
            raise ValidationError("tool_args_update needs tool_call_id: pass the id of the tool call to change.")
        body = not_none(
            feedback_text=feedback_text,
            feedback_type=member(FeedbackType, "feedback_type", feedback_type),
            user_id=user_id_from(user_id) or self._settings.user_id,
            progress_id=progress_id,
            tool_call_id=tool_call_id,
            tool_args_update=tool_args_update,
        )
        return await self._send(Call("POST", path(_FEEDBACK, response_id), model(FeedbackCreated), body=body))

    async def list_feedback(self, response_id: str, *, progress_id: str | None = None) -> FeedbackList:
        """List the feedback on a run and whether the agent has read it (GET /v1/responses/{id}/feedback).

        Args:
            response_id: Id of the run.
            progress_id: Only feedback on this progress entry.
        """
        return await self._get(FeedbackList, path(_FEEDBACK, response_id), progress_id=progress_id)

    async def list_artifacts(self, response_id: str, *, limit: int = 50, offset: int = 0) -> ArtifactList:
        """List the stored documents of a run (GET /v1/responses/{id}/artifacts).

        Args:
            response_id: Id of the run.
            limit: Documents on the page, 1 to 100.
            offset: Documents to skip.
        """
        route, page = path(runs.ROUTE + "/{}/artifacts", response_id), page_query(limit=limit, offset=offset)
        return await self._get(ArtifactList, route, **page)

    def iter_artifacts(self, response_id: str, *, page_size: int = 50) -> AsyncIterator[StoredArtifact]:
        """Iterate over all stored documents of a run.

        Args:
            response_id: Id of the run.
            page_size: Documents to fetch at a time, 1 to 100.
        """
        return self._iterate(
            lambda place: self.list_artifacts(response_id, limit=place.size, offset=place.position), page_size
        )
