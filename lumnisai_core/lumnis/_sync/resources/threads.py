# Generated from lumnisai_core/lumnis/_async/resources/threads.py by `make sync`; edit that file.
"""Threads: ``/v1/threads``."""

from __future__ import annotations

from builtins import list as list_
from collections.abc import Iterator
from uuid import UUID

from lumnisai_core._transport._sync.resource import Resource
from lumnisai_core._transport.answer import model, models, nothing
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.checks import not_none, page_query, path
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumnis.config import Settings, user_of_call
from lumnisai_core.lumnis.models import ResponseObject, Scope, ThreadList, ThreadObject

_ROUTE = "/v1/threads"
_LONGEST_TITLE = 500


class Threads(Resource[Settings]):
    """Create, read and delete threads: conversations that the service keeps. Available as ``client.threads``."""

    def create(
        self, *, user_id: str | UUID | None = None, scope: Scope | str | None = None, title: str | None = None
    ) -> ThreadObject:
        """Create an empty thread (POST /v1/threads).

        Args:
            user_id: Owner of the thread. Required in user scope.
            scope: ``user`` or ``tenant`` instead of the client's scope.
            title: Title, up to 500 characters. Default: the service chooses one after the first run.
        """
        user = user_of_call(self._settings, user_id=user_id, scope=scope)
        body = not_none(user_id=user, title=_usable_title(title))
        return self._send(Call("POST", _ROUTE, model(ThreadObject), body=body))

    def get(self, thread_id: str | UUID) -> ThreadObject:
        """Return a thread (GET /v1/threads/{id}).

        Raises:
            NotFoundError: The thread does not exist.
        """
        return self._get(ThreadObject, path(_ROUTE + "/{}", thread_id))

    def list(
        self, *, user_id: str | UUID | None = None, scope: Scope | str | None = None, limit: int = 50, offset: int = 0
    ) -> ThreadList:
        """List threads (GET /v1/threads).

        Args:
            user_id: Only threads of this user. Required in user scope.
            scope: ``user`` or ``tenant`` instead of the client's scope.
            limit: Threads on the page, 1 to 100.
            offset: Threads to skip.
        """
        user = user_of_call(self._settings, user_id=user_id, scope=scope)
        return self._get(ThreadList, _ROUTE, user_id=user, **page_query(limit=limit, offset=offset))

    def iter(
        self, *, user_id: str | UUID | None = None, scope: Scope | str | None = None, page_size: int = 50
    ) -> Iterator[ThreadObject]:
        """Iterate over all threads, with the filters of :meth:`list`.

        Args:
            user_id: Only threads of this user. Required in user scope.
            scope: ``user`` or ``tenant`` instead of the client's scope.
            page_size: Threads to fetch at a time, 1 to 100.
        """
        return self._iterate(
            lambda place: self.list(user_id=user_id, scope=scope, limit=place.size, offset=place.position), page_size
        )

    def update(self, thread_id: str | UUID, *, title: str) -> ThreadObject:
        """Change the title of a thread (PATCH /v1/threads/{id}).

        Args:
            thread_id: Id of the thread.
            title: New title, up to 500 characters.

        Raises:
            NotFoundError: The thread does not exist.
        """
        body = {"title": _usable_title(title)}
        return self._send(Call("PATCH", path(_ROUTE + "/{}", thread_id), model(ThreadObject), body=body))

    def delete(self, thread_id: str | UUID) -> None:
        """Delete a thread together with its runs (DELETE /v1/threads/{id}).

        Raises:
            NotFoundError: The thread does not exist.
        """
        self._send(Call("DELETE", path(_ROUTE + "/{}", thread_id), nothing))

    def get_responses(self, thread_id: str | UUID, *, limit: int = 50, offset: int = 0) -> list_[ResponseObject]:
        """Return the runs of a thread, newest first (GET /v1/threads/{id}/responses).

        Args:
            thread_id: Id of the thread.
            limit: Runs on the page, 1 to 100.
            offset: Runs to skip.

        Raises:
            NotFoundError: The thread does not exist.
        """
        query = page_query(limit=limit, offset=offset)
        return self._send(Call("GET", path(_ROUTE + "/{}/responses", thread_id), models(ResponseObject), query=query))

    def iter_responses(self, thread_id: str | UUID, *, page_size: int = 50) -> Iterator[ResponseObject]:
        """Iterate over all runs of a thread, newest first.

        Args:
            thread_id: Id of the thread.
            page_size: Runs to fetch at a time, 1 to 100.
        """
        return self._iterate(
            lambda place: self.get_responses(thread_id, limit=place.size, offset=place.position), page_size
        )


def _usable_title(title: str | None) -> str | None:
    if title is not None and len(title) > _LONGEST_TITLE:
        raise ValidationError(f"title has {len(title)} characters; at most {_LONGEST_TITLE} are possible.")
    return title
