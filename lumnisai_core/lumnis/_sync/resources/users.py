# Generated from lumnisai_core/lumnis/_async/resources/users.py by `make sync`; edit that file.
"""Users of the tenant: ``/v1/users``."""

from __future__ import annotations

from builtins import list as list_
from collections.abc import Iterator
from uuid import UUID

from lumnisai_core._transport._sync.resource import Resource
from lumnisai_core._transport.answer import model, models, nothing
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.checks import changes, not_none, numbered_page_query, path, text
from lumnisai_core.lumnis.config import Settings
from lumnisai_core.lumnis.models import ResponseObject, ThreadObject
from lumnisai_core.lumnis.models.users import UserList, UserObject

_ROUTE = "/v1/users"
_ONE = "/v1/users/{}"


class Users(Resource[Settings]):
    """Create, read, change and delete users. Available as ``client.users``."""

    def create(self, *, email: str, first_name: str | None = None, last_name: str | None = None) -> UserObject:
        """Create a user, or return the user with this e-mail address (POST /v1/users).

        Args:
            email: E-mail address.
            first_name: First name.
            last_name: Last name.

        Raises:
            ValidationError: The e-mail address is empty.
        """
        body = not_none(email=text("email", email), first_name=first_name, last_name=last_name)
        return self._send(Call("POST", _ROUTE, model(UserObject), body=body))

    def get(self, user_id: str | UUID) -> UserObject:
        """Return a user (GET /v1/users/{id}).

        Args:
            user_id: UUID or e-mail address.

        Raises:
            NotFoundError: The user does not exist.
        """
        return self._get(UserObject, path(_ONE, user_id))

    def list(self, *, page: int = 1, page_size: int = 20) -> UserList:
        """List users (GET /v1/users).

        Args:
            page: Number of the page, from 1.
            page_size: Users on the page, 1 to 100.
        """
        return self._get(UserList, _ROUTE, **numbered_page_query(page=page, page_size=page_size))

    def iter(self, *, page_size: int = 20) -> Iterator[UserObject]:
        """Iterate over all users.

        Args:
            page_size: Users to fetch at a time, 1 to 100.
        """
        return self._iterate(
            lambda place: self.list(page=place.position, page_size=place.size), page_size, numbered=True
        )

    def update(self, user_id: str | UUID, *, first_name: str | None = None, last_name: str | None = None) -> UserObject:
        """Change the names of a user (PUT /v1/users/{id}).

        Args:
            user_id: UUID or e-mail address.
            first_name: New first name. Default: unchanged.
            last_name: New last name. Default: unchanged.

        Raises:
            ValidationError: There is nothing to change.
            NotFoundError: The user does not exist.
        """
        body = changes("user", first_name=first_name, last_name=last_name)
        return self._send(Call("PUT", path(_ONE, user_id), model(UserObject), body=body))

    def delete(self, user_id: str | UUID) -> None:
        """Delete a user together with all data of the user (DELETE /v1/users/{id}).

        Args:
            user_id: UUID or e-mail address.

        Raises:
            NotFoundError: The user does not exist.
        """
        self._send(Call("DELETE", path(_ONE, user_id), nothing))

    def get_responses(self, user_id: str | UUID, *, page: int = 1, page_size: int = 20) -> list_[ResponseObject]:
        """Return the runs of a user (GET /v1/users/{id}/responses).

        Args:
            user_id: UUID or e-mail address.
            page: Number of the page, from 1.
            page_size: Runs on the page, 1 to 100.

        Raises:
            NotFoundError: The user does not exist.
        """
        query = numbered_page_query(page=page, page_size=page_size)
        return self._send(Call("GET", path(_ONE + "/responses", user_id), models(ResponseObject), query=query))

    def iter_responses(self, user_id: str | UUID, *, page_size: int = 20) -> Iterator[ResponseObject]:
        """Iterate over all runs of a user.

        Args:
            user_id: UUID or e-mail address.
            page_size: Runs to fetch at a time, 1 to 100.
        """
        return self._iterate(
            lambda place: self.get_responses(user_id, page=place.position, page_size=place.size),
            page_size,
            numbered=True,
        )

    def get_threads(self, user_id: str | UUID, *, page: int = 1, page_size: int = 20) -> list_[ThreadObject]:
        """Return the threads of a user (GET /v1/users/{id}/threads).

        Args:
            user_id: UUID or e-mail address.
            page: Number of the page, from 1.
            page_size: Threads on the page, 1 to 100.

        Raises:
            NotFoundError: The user does not exist.
        """
        query = numbered_page_query(page=page, page_size=page_size)
        return self._send(Call("GET", path(_ONE + "/threads", user_id), models(ThreadObject), query=query))

    def iter_threads(self, user_id: str | UUID, *, page_size: int = 20) -> Iterator[ThreadObject]:
        """Iterate over all threads of a user.

        Args:
            user_id: UUID or e-mail address.
            page_size: Threads to fetch at a time, 1 to 100.
        """
        return self._iterate(
            lambda place: self.get_threads(user_id, page=place.position, page_size=place.size),
            page_size,
            numbered=True,
        )
