"""Sessions and events of Lucidic, each call a request."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from lumnisai_core._transport._async.resource import AsyncResource
from lumnisai_core._transport._async.transport import AsyncTransport
from lumnisai_core._transport.checks import LARGEST_PAGE
from lumnisai_core.exceptions import InvalidOperationError
from lumnisai_core.lucidic import calls, context
from lumnisai_core.lucidic.config import Settings
from lumnisai_core.lucidic.models import EventRecord, SessionRecord
from lumnisai_core.lucidic.payloads import EventType, canonical, checked_body, divided
from lumnisai_core.lucidic.plain import described, masked


class AsyncSessions(AsyncResource[Settings]):
    """Sessions: one unit of work each."""

    async def create(
        self,
        session_name: str | None = None,
        *,
        session_id: str | None = None,
        task: str | None = None,
        tags: Iterable[str] | None = None,
        experiment_id: str | None = None,
        datasetitem_id: str | None = None,
        evaluators: Iterable[str] | None = None,
        production_monitoring: bool = False,
        auto_end: bool = True,
    ) -> AsyncSession:
        """Create a session, or resume one.

        Args:
            session_name: Its name. Default: ``Unnamed Session``.
            session_id: Id of a session to resume, or an id of your own. Default: a new UUID.
            task: What it is about.
            tags: Tags to find it by.
            experiment_id: The experiment that it belongs to.
            datasetitem_id: The item of a dataset that it runs.
            evaluators: Names of evaluators to run on it.
            production_monitoring: Whether the service monitors it as production traffic.
            auto_end: Whether leaving its ``with`` block ends it.

        Returns:
            The session, a context manager that is the current session inside its block.
        """
        body = calls.session_body(
            session_id=session_id or str(uuid4()),
            agent_id=self._settings.agent_id,
            session_name=session_name,
            task=masked(task, self._settings.masking),
            tags=tags,
            experiment_id=experiment_id,
            datasetitem_id=datasetitem_id,
            evaluators=evaluators,
            production_monitoring=production_monitoring,
        )
        known = await self._send(calls.create_session(body)) or body["session_id"]
        return AsyncSession(self, known, body["session_name"], auto_end=auto_end)

    async def get(self, session_id: str) -> SessionRecord:
        """Return a session.

        Args:
            session_id: Its id.

        Raises:
            NotFoundError: No session has this id.
        """
        return await self._send(calls.get_session(session_id))

    async def list(
        self, *, experiment_id: str | None = None, limit: int = 100, offset: int = 0
    ) -> builtins.list[SessionRecord]:
        """Return one page of the agent's sessions, newest first.

        Args:
            experiment_id: Only sessions of this experiment.
            limit: Most sessions to return, 1 to 100.
            offset: Sessions to skip.
        """
        return await self._send(calls.list_sessions(self._settings.agent_id, experiment_id, limit, offset))

    def iter(self, *, experiment_id: str | None = None) -> AsyncIterator[SessionRecord]:
        """Iterate over all sessions of the agent, newest first; pages are fetched when they are needed.

        Args:
            experiment_id: Only sessions of this experiment.
        """
        return self._iterate(
            lambda place: self.list(experiment_id=experiment_id, limit=place.size, offset=place.position),
            LARGEST_PAGE,
        )

    async def update(
        self,
        session_id: str,
        *,
        task: str | None = None,
        tags: Iterable[str] | None = None,
        session_eval: float | None = None,
        session_eval_reason: str | None = None,
        is_successful: bool | None = None,
        is_successful_reason: str | None = None,
        is_finished: bool | None = None,
    ) -> None:
        """Change a session; what is None stays as it is.

        Args:
            session_id: Its id.
            task: What it is about.
            tags: Tags, instead of the earlier ones.
            session_eval: Score of the session.
            session_eval_reason: Why it has this score.
            is_successful: Whether it was a success.
            is_successful_reason: Why it was or was not.
            is_finished: True to end it.
        """
        changed = calls.session_changes(
            task=task,
            tags=tags,
            session_eval=session_eval,
            session_eval_reason=session_eval_reason,
            is_successful=is_successful,
            is_successful_reason=is_successful_reason,
            is_finished=is_finished,
        )
        await self._send(calls.update_session(session_id, masked(changed, self._settings.masking)))

    async def end(
        self,
        session_id: str,
        *,
        is_successful: bool | None = None,
        is_successful_reason: str | None = None,
        session_eval: float | None = None,
        session_eval_reason: str | None = None,
    ) -> None:
        """End a session.

        Args:
            session_id: Its id.
            is_successful: Whether it was a success.
            is_successful_reason: Why it was or was not.
            session_eval: Score of the session.
            session_eval_reason: Why it has this score.
        """
        await self.update(
            session_id,
            is_successful=is_successful,
            is_successful_reason=is_successful_reason,
            session_eval=session_eval,
            session_eval_reason=session_eval_reason,
            is_finished=True,
        )


class AsyncSession:
    """A session that this client has created. As a context manager it is the current session, and ends at the end.

    Leaving the block with an exception ends it as a failure, with the exception as the reason.

    Attributes:
        session_id: Its id.
        session_name: Its name.
        is_finished: Whether this object has ended it.
    """

    def __init__(self, sessions: AsyncSessions, session_id: str, session_name: str, *, auto_end: bool) -> None:
        self.session_id = session_id
        self.session_name = session_name
        self.is_finished = False
        self._auto_end = auto_end
        self._sessions = sessions
        self._before: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.session_id!r}, {self.session_name!r})"

    async def update(self, **changes: Any) -> None:
        """Change the session.

        Args:
            changes: Arguments of :meth:`AsyncSessions.update`.
        """
        await self._sessions.update(self.session_id, **changes)

    async def end(self, **outcome: Any) -> None:
        """End the session.

        Args:
            outcome: Arguments of :meth:`AsyncSessions.end`.
        """
        await self._sessions.end(self.session_id, **outcome)
        self.is_finished = True

    async def __aenter__(self) -> Self:
        self._before = context.session_id.get()
        context.session_id.set(self.session_id)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        context.session_id.set(self._before)
        if self._auto_end and not self.is_finished:
            await self.end(**({} if error is None else failure(error)))


def failure(error: BaseException) -> dict[str, Any]:
    """Return the outcome of a session that an exception ended."""
    return {"is_successful": False, "is_successful_reason": described(error)}


class AsyncEvents(AsyncResource[Settings]):
    """Events: what happened in a session."""

    async def create(
        self,
        type: str | None = None,  # noqa: A002 - the product's name
        *,
        session_id: str | None = None,
        event_id: str | None = None,
        parent_event_id: str | None = None,
        occurred_at: datetime | str | None = None,
        duration: float | None = None,
        tags: Iterable[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> str:
        """Create an event.

        A payload of more than 64 KiB is posted as a preview; the whole is compressed and uploaded.

        Args:
            type: ``llm_generation``, ``function_call``, ``error_traceback``, ``generic``, or a name of your own.
                Default: chosen from the fields.
            session_id: The session. Default: the current one.
            event_id: A UUID. Default: a new one.
            parent_event_id: The event that this one is part of.
            occurred_at: When the work began: a datetime, or ISO 8601. Default: now.
            duration: Seconds that it took.
            tags: Tags to find it by.
            metadata: Anything to keep beside the payload.
            fields: The payload. For ``llm_generation``: ``provider``, ``model``, ``messages``, ``params``, ``output``,
                ``tool_calls``, ``thinking``, ``input_tokens``, ``output_tokens``, ``cache``, ``cost``, ``status``,
                ``error``. For ``function_call``: ``function_name``, ``arguments``, ``return_value``, ``error``. For
                ``error_traceback``: ``error`` (a text or an exception), ``traceback``, ``context``. For others:
                ``details`` and what you like.

        Returns:
            The id of the event.

        Raises:
            InvalidOperationError: No session was passed, and there is no current one.
        """
        session = session_id or context.session_id.get()
        if not session:
            raise InvalidOperationError("No session: pass session_id=, or call this inside the block of a session.")
        body = checked_body(
            canonical(fields),
            kind=type,
            session_id=session,
            event_id=event_id,
            parent_id=parent_event_id,
            occurred_at=occurred_at or datetime.now(UTC),
            duration=duration,
            tags=tags,
            metadata=metadata,
            mask=self._settings.masking,
        )
        await send_event(self._transport, body, self._settings.blob_threshold)
        return str(body["client_event_id"])

    async def create_error(
        self,
        error: BaseException | str,
        *,
        session_id: str | None = None,
        parent_event_id: str | None = None,
        **fields: Any,
    ) -> str:
        """Create an event for an error, with its traceback.

        Args:
            error: The exception, or a text.
            session_id: The session. Default: the current one.
            parent_event_id: The event that this one is part of.
            fields: Further arguments of :meth:`create`, such as ``traceback`` and ``context``.

        Returns:
            The id of the event.
        """
        return await self.create(
            EventType.ERROR_TRACEBACK, session_id=session_id, parent_event_id=parent_event_id, error=error, **fields
        )

    async def get(self, event_id: str) -> EventRecord:
        """Return an event.

        Args:
            event_id: The service's id of the event.

        Raises:
            NotFoundError: No event has this id.
        """
        return await self._send(calls.get_event(event_id))

    async def list(
        self,
        *,
        session_id: str | None = None,
        type: str | None = None,  # noqa: A002 - the product's name
        limit: int = 100,
        offset: int = 0,
    ) -> builtins.list[EventRecord]:
        """Return one page of events.

        Args:
            session_id: Only events of this session.
            type: Only events of this type.
            limit: Most events to return, 1 to 100.
            offset: Events to skip.
        """
        return await self._send(calls.list_events(session_id, type, limit, offset))

    def iter(
        self,
        *,
        session_id: str | None = None,
        type: str | None = None,  # noqa: A002 - the product's name
    ) -> AsyncIterator[EventRecord]:
        """Iterate over all events; pages are fetched when they are needed.

        Args:
            session_id: Only events of this session.
            type: Only events of this type.
        """
        return self._iterate(
            lambda place: self.list(session_id=session_id, type=type, limit=place.size, offset=place.position),
            LARGEST_PAGE,
        )


async def send_event(transport: AsyncTransport, body: dict[str, Any], threshold: int, **sending: Any) -> None:
    """Send an event; a large payload goes to an upload address, or after the event where there is none.

    Args:
        transport: The connections.
        body: The whole event, masked.
        threshold: Bytes of a payload up to which it is posted.
        sending: Arguments of the transport, such as a retry policy.
    """
    posted, content = divided(body, threshold)
    stored = await transport.send(calls.create_event(posted), **sending)
    if content is None:
        return
    if stored.blob_url:
        await transport.send(calls.upload(stored.blob_url, content), **sending)
    else:
        event_id = stored.event_id or body["client_event_id"]
        await transport.send(calls.update_event(event_id, body["payload"]), **sending)
