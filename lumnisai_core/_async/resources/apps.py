"""Which apps users can connect to: the second half of ``/v1/integrations``."""

from __future__ import annotations

from lumnisai_core._answer import model
from lumnisai_core._async.resources.base import AsyncResource
from lumnisai_core._call import Call, path
from lumnisai_core._integrations import app, provider_name
from lumnisai_core.models.integrations import (
    AppEnabled,
    AppList,
    AppRequiredFields,
    IntegrationProvider,
    IntegrationProviderList,
)

_APPS = "/v1/integrations/apps"

#: Seconds that enabling an app can take at the service, on top of the usual time.
_ENABLING = 60.0


class AsyncApps(AsyncResource):
    """See, allow and forbid apps of the tenant. Part of ``client.integrations``."""

    async def list_apps(
        self, *, include_available: bool = True, provider: IntegrationProvider | str | None = None
    ) -> AppList:
        """List the apps that users can connect to (GET /v1/integrations/apps).

        Args:
            include_available: Whether to list those too that could be enabled.
            provider: Only apps of this provider.
        """
        query = {"include_available": include_available, "provider": provider_name(provider)}
        return await self._send(Call("GET", _APPS, model(AppList), query=query))

    async def list_providers(self) -> IntegrationProviderList:
        """List the providers that connections can be made through (GET /v1/integrations/providers)."""
        return await self._send(Call("GET", "/v1/integrations/providers", model(IntegrationProviderList)))

    async def is_app_enabled(self, app_name: str, *, provider: IntegrationProvider | str | None = None) -> AppEnabled:
        """Return whether users can connect to an app, as ``enabled`` (GET /v1/integrations/apps/{app}/enabled).

        Args:
            app_name: Such as ``GITHUB``.
            provider: Who makes the connections. Default: the service's choice.
        """
        query = {"provider": provider_name(provider)}
        return await self._send(Call("GET", path(_APPS + "/{}/enabled", app(app_name)), model(AppEnabled), query=query))

    async def set_app_enabled(self, app_name: str, *, enabled: bool) -> AppEnabled:
        """Allow or forbid an app (PUT /v1/integrations/apps/{app}). This can take half a minute.

        Args:
            app_name: Such as ``GITHUB``.
            enabled: Whether users can connect to it.
        """
        query = {"enabled": enabled}
        route = path(_APPS + "/{}", app(app_name))
        return await self._send(Call("PUT", route, model(AppEnabled), query=query, held=_ENABLING))

    async def get_non_oauth_required_fields(
        self, app_name: str, *, auth_scheme: str | None = None
    ) -> AppRequiredFields:
        """Return what an app without a login page needs to know (GET .../non-oauth/required-fields/{app}).

        The route is reserved: services refuse it with status 501.

        Args:
            app_name: Such as ``GITHUB``.
            auth_scheme: How the app wants to be asked.

        Raises:
            TransportError: The service does not have it.
        """
        route = path("/v1/integrations/non-oauth/required-fields/{}", app(app_name))
        return await self._send(Call("GET", route, model(AppRequiredFields), query={"auth_scheme": auth_scheme}))
