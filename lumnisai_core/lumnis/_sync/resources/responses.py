# Generated from lumnisai_core/lumnis/_async/resources/responses.py by `make sync`; edit that file.
"""Runs: ``/v1/responses``."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from datetime import date
from os import PathLike
from pathlib import Path
from typing import Any, Unpack
from uuid import UUID

from lumnisai_core._transport._sync.resource import Resource
from lumnisai_core._transport.answer import model
from lumnisai_core._transport.call import Call, path
from lumnisai_core._transport.checks import page_query
from lumnisai_core.exceptions import ConflictError, ValidationError
from lumnisai_core.lumnis._sync.batch import map_runs
from lumnisai_core.lumnis._sync.following import RunStream, follow_run
from lumnisai_core.lumnis.calls.runs import (
    InvokeParameters,
    MessagesInput,
    RunParameters,
    WatchParameters,
    cancel_call,
    create_call,
    feedback_body,
    get_call,
)
from lumnisai_core.lumnis.config import Settings, user_id_from, user_of_call
from lumnisai_core.lumnis.models import ResponseList, ResponseObject, ResponseStatus, Scope
from lumnisai_core.lumnis.models.responses import (
    ArtifactList,
    FeedbackCreated,
    FeedbackList,
    FeedbackType,
    StoredArtifact,
)
from lumnisai_core.lumnis.runs.batch import DEFAULT_IN_FLIGHT, RunInput, RunOutcome, check_in_flight


class Responses(Resource[Settings]):
    """Create runs, look at them, wait for them, stop them. Reached as ``client.responses``."""

    def create(self, messages: MessagesInput, **parameters: Unpack[RunParameters]) -> ResponseObject:
        """Start a run and return at once, usually while it is queued (POST /v1/responses).

        Args:
            messages: A text, one message, or the messages of a conversation.
            **parameters: See :class:`lumnisai_core.RunParameters`.

        Returns:
            The run with its ids and status; its answer comes later: :meth:`wait`.

        Raises:
            ValidationError: Something about the run is not acceptable; nothing was sent.
            LumnisAIError: The service cannot be reached or refuses.
        """
        return self._send(create_call(self._settings, messages, parameters))

    def get(self, response_id: str, *, wait: float | None = None) -> ResponseObject:
        """Return a run as it is now, whatever its status (GET /v1/responses/{id}).

        Args:
            response_id: Id of the run.
            wait: Seconds the service may hold the request until the run is over. Default: it answers at once.

        Raises:
            NotFoundError: There is no such run.
        """
        return self._send(get_call(response_id, wait=wait))

    def list(
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
            user_id: Only this user's runs. Needed in user scope.
            scope: ``user`` or ``tenant`` instead of the client's scope.
            status: Only runs in this state.
            start_date: First day, as a date or ``YYYY-MM-DD``.
            end_date: Last day, included.
            limit: Runs on the page, 1 to 100.
            offset: Runs to pass over.
        """
        query = {
            "user_id": user_of_call(self._settings, user_id=user_id, scope=scope),
            "status": None if status is None else str(status),
            "start_date": None if start_date is None else str(start_date),
            "end_date": None if end_date is None else str(end_date),
            **page_query(limit=limit, offset=offset),
        }
        return self._send(Call("GET", "/v1/responses", model(ResponseList), query=query))

    def iter(
        self,
        *,
        user_id: str | UUID | None = None,
        scope: Scope | str | None = None,
        status: ResponseStatus | str | None = None,
        start_date: date | str | None = None,
        end_date: date | str | None = None,
        page_size: int = 50,
    ) -> Iterator[ResponseObject]:
        """Iterate over all runs, newest first; takes what :meth:`list` takes.

        Args:
            user_id: Only this user's runs. Needed in user scope.
            scope: ``user`` or ``tenant`` instead of the client's scope.
            status: Only runs in this state.
            start_date: First day, as a date or ``YYYY-MM-DD``.
            end_date: Last day, included.
            page_size: Runs fetched at a time, 1 to 100.
        """
        return self._iterate(
            lambda seen: self.list(
                user_id=user_id,
                scope=scope,
                status=status,
                start_date=start_date,
                end_date=end_date,
                limit=page_size,
                offset=seen,
            )
        )

    def wait(self, response_id: str, **parameters: Unpack[WatchParameters]) -> ResponseObject:
        """Wait for the end of a run that exists, for instance after a restart of the caller.

        Args:
            response_id: Id of the run.
            **parameters: See :class:`lumnisai_core.WatchParameters`.

        Returns:
            The run with its answer.

        Raises:
            RunFailedError: The run failed.
            RunCancelledError: The run was cancelled.
            RunTimeoutError: ``run_timeout`` is over; the run goes on.
            NotFoundError: There is no such run.
        """
        return follow_run(self._transport, response_id, parameters, listening=False).result()

    def following(self, response_id: str, **parameters: Unpack[WatchParameters]) -> RunStream:
        """Follow a run that exists: a stream of everything it reported and will report.

        Args:
            response_id: Id of the run.
            **parameters: See :class:`lumnisai_core.WatchParameters`.
        """
        return follow_run(self._transport, response_id, parameters, listening=True)

    def map(
        self,
        inputs: Iterable[RunInput | MessagesInput],
        *,
        max_in_flight: int = DEFAULT_IN_FLIGHT,
        ledger: str | PathLike[str] | None = None,
        **parameters: Unpack[InvokeParameters],
    ) -> Generator[RunOutcome, None]:
        """Make a run of each input, many at once, and yield what became of them as they end.

        Failures are values: an outcome holds a run or an error. When the service has too many requests, all runs wait
        together. Leaving early stops the runs that are under way, unless ``cancel_on_interrupt=False``.

        Args:
            inputs: Texts, messages, conversations, or :class:`RunInput` with parameters of their own. They are taken
                one by one, when there is room.
            max_in_flight: Runs under way at the same time. Default 50.
            ledger: File that remembers which run belongs to which input. Called again with the same inputs and the
                same file, an interrupted job picks up its runs instead of making them again.
            **parameters: See :class:`lumnisai_core.InvokeParameters`; they are the same for all runs.

        Raises:
            ValidationError: ``max_in_flight`` or the ledger is unusable.
        """
        return map_runs(
            self._transport,
            self._settings,
            inputs,
            parameters,
            max_in_flight=check_in_flight(max_in_flight),
            ledger=None if ledger is None else Path(ledger),
        )

    def cancel(self, response_id: str) -> ResponseObject:
        """Stop a run and return it as it is then (POST /v1/responses/{id}/cancel).

        A run that is over already stays as it is and is returned.

        Raises:
            NotFoundError: There is no such run.
        """
        refusal: ValidationError | None = None
        try:
            self._send(cancel_call(response_id))
        except (ConflictError, ValidationError) as error:
            if error.status_code not in (400, 409):
                raise
            refusal = error
        response = self.get(response_id)
        if refusal is not None and not response.is_terminal:
            raise refusal
        return response

    def create_feedback(
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
        """Tell a run something while it works (POST /v1/responses/{id}/feedback).

        The agent reads feedback in order of arrival.

        Args:
            response_id: Id of the run.
            feedback_text: What to tell, 1 to 5000 characters.
            feedback_type: ``suggestion`` (default), ``correction`` or ``guidance``.
            user_id: Who says so. Default: the client's user.
            progress_id: Progress entry it is about.
            tool_call_id: Tool call it is about.
            tool_args_update: New arguments for that tool call; needs ``tool_call_id``.

        Raises:
            ValidationError: The text or a combination is unusable; nothing was sent.
            ConflictError: The run is over.
            NotFoundError: There is no such run.
        """
        body = feedback_body(
            feedback_text,
            feedback_type=feedback_type,
            user_id=user_id_from(user_id) or self._settings.user_id,
            progress_id=progress_id,
            tool_call_id=tool_call_id,
            tool_args_update=tool_args_update,
        )
        route = path("/v1/responses/{}/feedback", response_id)
        return self._send(Call("POST", route, model(FeedbackCreated), body=body))

    def list_feedback(self, response_id: str, *, progress_id: str | None = None) -> FeedbackList:
        """List what a run was told and whether it has read it (GET /v1/responses/{id}/feedback).

        Args:
            response_id: Id of the run.
            progress_id: Only feedback to this progress entry.
        """
        route = path("/v1/responses/{}/feedback", response_id)
        return self._send(Call("GET", route, model(FeedbackList), query={"progress_id": progress_id}))

    def list_artifacts(self, response_id: str, *, limit: int = 50, offset: int = 0) -> ArtifactList:
        """List the stored documents of a run (GET /v1/responses/{id}/artifacts).

        Args:
            response_id: Id of the run.
            limit: Documents on the page, 1 to 100.
            offset: Documents to pass over.
        """
        route = path("/v1/responses/{}/artifacts", response_id)
        query = page_query(limit=limit, offset=offset)
        return self._send(Call("GET", route, model(ArtifactList), query=query))

    def iter_artifacts(self, response_id: str, *, page_size: int = 50) -> Iterator[StoredArtifact]:
        """Iterate over all stored documents of a run.

        Args:
            response_id: Id of the run.
            page_size: Documents fetched at a time, 1 to 100.
        """
        return self._iterate(lambda seen: self.list_artifacts(response_id, limit=page_size, offset=seen))
