"""Reading of the runs of a thread: those that a conversation does not know yet, and the latest for one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from lumnisai_core import AsyncClient, Client, ResponseObject
from lumnisai_core.exceptions import MissingUserId, NotFoundError
from lumnisai_integrations._shared.conversation import Conversation

_PAGE_OF_NEW_RUNS = 10  # there is seldom more than one since the last reading
_PAGE_OF_ALL_RUNS = 100


class Reading:
    """A reading of a conversation's thread, newest run first and page by page, until all new runs were seen."""

    def __init__(self, conversation: Conversation[Any]) -> None:
        self._found: dict[str, ResponseObject] = {}
        self._missing = set(conversation.unfinished)
        self._known = {*(message.run_id for message in conversation.stored), conversation.read_to} - {None}
        self.page_size: int = _PAGE_OF_NEW_RUNS if self._known else _PAGE_OF_ALL_RUNS
        self.offset: int = 0
        self.is_complete: bool = False

    @property
    def runs(self) -> list[ResponseObject]:
        """The runs that were found, newest first."""
        return list(self._found.values())

    def take(self, page: Sequence[ResponseObject]) -> None:
        """Take the next page of runs, newest first. An empty one, or one without any other run, is the last."""
        found = {run.response_id: run for run in page if run.response_id not in self._found}
        self._found |= found
        self._missing -= found.keys()
        self.offset += len(page)
        self.is_complete = not found or (not self._missing and not self._known.isdisjoint(self._found))


def read_runs(client: Client, conversation: Conversation[Any]) -> list[ResponseObject]:
    """Read the runs of a thread that a conversation does not know yet, newest first; none without a thread."""
    reading, thread_id = Reading(conversation), conversation.thread_id
    while thread_id is not None and not reading.is_complete:
        reading.take(client.threads.get_responses(thread_id, limit=reading.page_size, offset=reading.offset))
    return reading.runs


async def aread_runs(client: AsyncClient, conversation: Conversation[Any]) -> list[ResponseObject]:
    """Do the same as :func:`read_runs` without blocking the event loop."""
    reading, thread_id = Reading(conversation), conversation.thread_id
    while thread_id is not None and not reading.is_complete:
        reading.take(await client.threads.get_responses(thread_id, limit=reading.page_size, offset=reading.offset))
    return reading.runs


def read_latest_runs(client: Client, thread_id: str, user_id: str | UUID | None) -> list[ResponseObject]:
    """Read the latest runs of a thread, newest first, as a user or as that of the client.

    None of a thread that is new, or that no user names.
    """
    try:
        threads = (client if user_id is None else client.for_user(user_id)).threads
        return threads.get_responses(thread_id, limit=_PAGE_OF_ALL_RUNS)
    except (NotFoundError, MissingUserId):
        return []


async def aread_latest_runs(client: AsyncClient, thread_id: str, user_id: str | UUID | None) -> list[ResponseObject]:
    """Do the same as :func:`read_latest_runs` without blocking the event loop."""
    try:
        threads = (client if user_id is None else client.for_user(user_id)).threads
        return await threads.get_responses(thread_id, limit=_PAGE_OF_ALL_RUNS)
    except (NotFoundError, MissingUserId):
        return []
