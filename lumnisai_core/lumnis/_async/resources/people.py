"""Searching for people and looking at posts: ``/v1/people``."""

from __future__ import annotations

from collections.abc import Sequence

from lumnisai_core._transport._async.resource import AsyncResource
from lumnisai_core._transport.answer import model
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.checks import given, member, text, texts, whole_number_between
from lumnisai_core.lumnis.config import Settings
from lumnisai_core.lumnis.models.people import PeopleDataSource, PeopleSearchResult, PostPreviews

_MOST_PEOPLE = 100
_MOST_POSTS = 50

#: Seconds that a search can take at the service, on top of the usual time.
_SEARCHING = 60.0


class AsyncPeople(AsyncResource[Settings]):
    """Search at once, without a run. Reached as ``client.people``."""

    async def quick_search(
        self, query: str, *, limit: int = 20, data_sources: Sequence[PeopleDataSource | str] | None = None
    ) -> PeopleSearchResult:
        """Search for people by a description (POST /v1/people/quick-search).

        Args:
            query: Whom to look for, such as ``engineers in Lisbon``.
            limit: Most people to return, 1 to 100.
            data_sources: Where to search: ``PDL``, ``CORESIGNAL``, ``CRUST_DATA``. Default: wherever possible.

        Raises:
            ValidationError: An argument is not usable, or the service has no such source (its ``code`` is
                ``NO_DATA_SOURCES`` or ``SOURCES_NOT_AVAILABLE``).
        """
        named = [] if data_sources is None else texts("data_sources", data_sources)
        sources = [str(member(PeopleDataSource, "data_sources", source)) for source in named]
        body = given(
            query=text("query", query),
            limit=whole_number_between("limit", limit, 1, _MOST_PEOPLE),
            data_sources=sources or None,
        )
        return await self._send(
            Call("POST", "/v1/people/quick-search", model(PeopleSearchResult), body=body, held=_SEARCHING)
        )

    async def preview_posts(self, post_urls: Sequence[str]) -> PostPreviews:
        """Look at posts (POST /v1/people/posts/preview).

        Args:
            post_urls: Addresses of 1 to 50 posts.

        Returns:
            The posts in the same order; those that could not be read say why.

        Raises:
            ValidationError: There is no address, or there are more than 50.
        """
        body = {"post_urls": texts("post_urls", post_urls, most=_MOST_POSTS)}
        return await self._send(
            Call("POST", "/v1/people/posts/preview", model(PostPreviews), body=body, held=_SEARCHING)
        )
