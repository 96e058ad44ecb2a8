"""Requests about connections to other applications, and about people."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from lumnisai_core.local.web.shapes import Shape, UserName

AppName = Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Provider = Literal["composio", "unipile"]
_Address = Annotated[str, Field(max_length=2000, pattern=r"^https?://\S+$")]


class Initiate(Shape):
    """Body of `POST /v1/integrations/connections/initiate`. What is secret in it is not kept."""

    user_id: UserName
    app_name: AppName
    provider: Provider = "composio"
    redirect_url: _Address | None = None
    success_redirect_url: _Address | None = None
    failure_redirect_url: _Address | None = None
    auth_mode: str | None = None
    connection_params: dict[str, Any] | None = Field(None, repr=False)


class OfUser(Shape):
    """A path or query that must name a user."""

    user_id: UserName


class AppPath(Shape):
    """Path of one app."""

    app: AppName


class ConnectionPath(OfUser, AppPath):
    """Path of one user's connection to one app."""


class WithProvider(Shape):
    """Query of calls that may name a provider."""

    provider: Provider | None = None


class ListConnections(WithProvider):
    """Query of `GET /v1/integrations/connections/{user_id}`; `app_filter` is comma-joined."""

    app_filter: str | None = None


class Batch(WithProvider):
    """Body of `POST /v1/integrations/connections/batch`."""

    user_id: UserName
    app_names: list[AppName] = Field(min_length=1, max_length=100)


class Callback(Shape):
    """Body of `POST /v1/integrations/connections/callback`."""

    connection_id: str
    code: str | None = None
    state: str | None = None
    error: str | None = None


class Disconnect(WithProvider):
    """Body of `POST /v1/integrations/connections/disconnect`."""

    user_id: UserName
    app_name: AppName


class ListTools(WithProvider):
    """Body of `POST /v1/integrations/tools`."""

    user_id: UserName
    app_filter: list[AppName] | None = None


class ListApps(WithProvider):
    """Query of `GET /v1/integrations/apps`."""

    include_available: bool = False


class SetApp(WithProvider):
    """Query of `PUT /v1/integrations/apps/{app}`."""

    enabled: bool


class Authorize(Shape):
    """Query of the address that completes a connection."""

    error: str | None = None


class QuickSearch(Shape):
    """Body of `POST /v1/people/quick-search`."""

    query: str = Field(min_length=1)
    limit: int = Field(20, ge=1, le=100)
    data_sources: list[Literal["PDL", "CORESIGNAL", "CRUST_DATA"]] | None = None


class PreviewPosts(Shape):
    """Body of `POST /v1/people/posts/preview`."""

    post_urls: list[Annotated[str, Field(max_length=2000)]] = Field(min_length=1, max_length=50)
