"""People: requests are checked as on the platform, but an embedded service has no data to search."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NoReturn

from pydantic import Field
from typing_extensions import TypedDict

from lumnisai_core.local.lumnis.service import Call
from lumnisai_core.local.web.errors import ApiError, Error
from lumnisai_core.local.web.routes import RouteTable
from lumnisai_core.local.web.shapes import Shape

route = RouteTable()


class QuickSearch(Shape):
    """Body of `POST /v1/people/quick-search`."""

    query: str = Field(min_length=1)
    limit: int = Field(20, ge=1, le=100)
    data_sources: list[Literal["PDL", "CORESIGNAL", "CRUST_DATA"]] | None = None


class PreviewPosts(Shape):
    """Body of `POST /v1/people/posts/preview`."""

    post_urls: list[Annotated[str, Field(max_length=2000)]] = Field(min_length=1, max_length=50)


class Post(TypedDict):
    """A post that could not be read."""

    url: str
    status: Literal["success", "error"]
    error: str


class Posts(TypedDict):
    """Posts in the order of their addresses."""

    posts: list[Post]


class WrappedError(TypedDict):
    """The body of a refusal of the people endpoints."""

    detail: Error


class PeopleError(ApiError):
    """A refusal of the people endpoints, whose body wraps the error once more."""

    @property
    def body(self) -> Any:
        """The JSON body."""
        return WrappedError(detail=super().body)


@route("POST /v1/people/quick-search", refused=(400,), refusal=WrappedError)
async def quick_search(_call: Call, body: QuickSearch) -> NoReturn:
    """Refuse: there is no data source."""
    del body
    raise PeopleError(400, "NO_DATA_SOURCES", "The embedded service has no data sources for people.")


@route("POST /v1/people/posts/preview")
async def preview_posts(_call: Call, body: PreviewPosts) -> Posts:
    """Tell for each address, in order, that it cannot be read."""
    error = "The embedded service does not read posts."
    return {"posts": [{"url": url, "status": "error", "error": error} for url in body.post_urls]}
