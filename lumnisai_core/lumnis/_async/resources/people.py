"""People search and previews of posts: ``/v1/people``."""

from __future__ import annotations

from collections.abc import Sequence

from lumnisai_core._transport._async.resource import AsyncResource
from lumnisai_core._transport.answer import model
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.checks import member, not_none, text, texts, whole_number_between
from lumnisai_core.lumnis.config import Settings
from lumnisai_core.lumnis.models.people import PeopleDataSource, PeopleSearchResult, PostPreviews

_MOST_PEOPLE = 100
_MOST_POSTS = 50

#: Seconds that the service may take for a search, in addition to the usual time.
_SEARCHING = 60.0


class AsyncPeople(AsyncResource[Settings]):
    """Search for people without a run. Available as ``client.people``."""

    async def quick_search(
        self, query: str, *, limit: int = 20, data_sources: Sequence[PeopleDataSource | str] | None = None
    ) -> PeopleSearchResult:
        """Search for people by a description (POST /v1/people/quick-search).

        Args:
            query: Description of the people, such as ``engineers in Lisbon``.
            limit: Maximum number of people, 1 to 100.
            data_sources: Sources to search: ``PDL``, ``CORESIGNAL``, ``CRUST_DATA``. Default: all available.

        Raises:
            ValidationError: An argument is invalid, or a source is not available (``code`` is then ``NO_DATA_SOURCES``
                or ``SOURCES_NOT_AVAILABLE``).
        """
        names = [] if data_sources is None else texts("data_sources", data_sources)
        sources = [str(member(PeopleDataSource, "data_sources", name)) for name in names]
        body = not_none(
            query=text("query", query),
            limit=whole_number_between("limit", limit, 1, _MOST_PEOPLE),
            data_sources=sources or None,
        )
        return await self._send(
            Call("POST", "/v1/people/quick-search", model(PeopleSearchResult), body=body, held=_SEARCHING)
        )

    async def preview_posts(self, post_urls: Sequence[str]) -> PostPreviews:
        """Preview posts (POST /v1/people/posts/preview).

        Args:
            post_urls: URLs of 1 to 50 posts.

        Returns:
            The posts in the same order; those that could not be read have an ``error``.

        Raises:
            ValidationError: There are no URLs, or more than 50.
        """
        body = {"post_urls": texts("post_urls", post_urls, most=_MOST_POSTS)}
        return await self._send(
            Call("POST", "/v1/people/posts/preview", model(PostPreviews), body=body, held=_SEARCHING)
        )
