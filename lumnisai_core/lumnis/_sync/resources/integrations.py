# Generated from lumnisai_core/lumnis/_async/resources/integrations.py by `make sync`; edit that file.
"""Connections of users to outside apps: ``/v1/integrations``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from lumnisai_core._transport._sync.resource import Resource
from lumnisai_core._transport.answer import model
from lumnisai_core._transport.call import Call, path
from lumnisai_core._transport.checks import check_seconds, given, optional_text, text
from lumnisai_core._transport.waiting import sleep
from lumnisai_core.exceptions import WaitTimeoutError
from lumnisai_core.lumnis.calls.integrations import (
    app,
    apps,
    deleted_connections,
    is_connected,
    provider_name,
    wanted_apps,
)
from lumnisai_core.lumnis.config import Settings, user_of_call
from lumnisai_core.lumnis.models.enums import Scope
from lumnisai_core.lumnis.models.integrations import (
    AppConnection,
    AppConnectionList,
    AppEnabled,
    AppList,
    AppRequiredFields,
    ConnectionCallbackResult,
    ConnectionStart,
    DisconnectResult,
    IntegrationProvider,
    IntegrationProviderList,
    IntegrationToolList,
    LinkedInConnectionsDeleted,
    LinkedInSync,
)

_APPS = "/v1/integrations/apps"

#: Seconds that enabling an app can take at the service, on top of the usual time.
_ENABLING = 60.0


class Apps(Resource[Settings]):
    """See, allow and forbid apps of the tenant. Part of ``client.integrations``."""

    def list_apps(
        self, *, include_available: bool = True, provider: IntegrationProvider | str | None = None
    ) -> AppList:
        """List the apps that users can connect to (GET /v1/integrations/apps).

        Args:
            include_available: Whether to list those too that could be enabled.
            provider: Only apps of this provider.
        """
        query = {"include_available": include_available, "provider": provider_name(provider)}
        return self._send(Call("GET", _APPS, model(AppList), query=query))

    def list_providers(self) -> IntegrationProviderList:
        """List the providers that connections can be made through (GET /v1/integrations/providers)."""
        return self._send(Call("GET", "/v1/integrations/providers", model(IntegrationProviderList)))

    def is_app_enabled(self, app_name: str, *, provider: IntegrationProvider | str | None = None) -> AppEnabled:
        """Return whether users can connect to an app, as ``enabled`` (GET /v1/integrations/apps/{app}/enabled).

        Args:
            app_name: Such as ``GITHUB``.
            provider: Who makes the connections. Default: the service's choice.
        """
        query = {"provider": provider_name(provider)}
        return self._send(Call("GET", path(_APPS + "/{}/enabled", app(app_name)), model(AppEnabled), query=query))

    def set_app_enabled(self, app_name: str, *, enabled: bool) -> AppEnabled:
        """Allow or forbid an app (PUT /v1/integrations/apps/{app}). This can take half a minute.

        Args:
            app_name: Such as ``GITHUB``.
            enabled: Whether users can connect to it.
        """
        query = {"enabled": enabled}
        route = path(_APPS + "/{}", app(app_name))
        return self._send(Call("PUT", route, model(AppEnabled), query=query, held=_ENABLING))

    def get_non_oauth_required_fields(self, app_name: str, *, auth_scheme: str | None = None) -> AppRequiredFields:
        """Return what an app without a login page needs to know (GET .../non-oauth/required-fields/{app}).

        The route is reserved: services refuse it with status 501.

        Args:
            app_name: Such as ``GITHUB``.
            auth_scheme: How the app wants to be asked.

        Raises:
            TransportError: The service does not have it.
        """
        route = path("/v1/integrations/non-oauth/required-fields/{}", app(app_name))
        return self._send(Call("GET", route, model(AppRequiredFields), query={"auth_scheme": auth_scheme}))


_CONNECTIONS = "/v1/integrations/connections"
_ONE = "/v1/integrations/connections/{}/{}"
_LINKEDIN = "/v1/integrations/linkedin"


class Integrations(Apps):
    """Connect users to apps, and see which tools that gives. Reached as ``client.integrations``.

    A connection always belongs to a user: the ``user_id`` of the call or of the client, whatever the scope. Names of
    apps are taken in any case.
    """

    def initiate_connection(
        self,
        *,
        app_name: str,
        user_id: str | UUID | None = None,
        redirect_url: str | None = None,
        integration_id: str | None = None,
        auth_mode: str | None = None,
        connection_params: Mapping[str, Any] | None = None,
        provider: IntegrationProvider | str | None = None,
        success_redirect_url: str | None = None,
        failure_redirect_url: str | None = None,
    ) -> ConnectionStart:
        """Begin to connect a user to an app (POST /v1/integrations/connections/initiate).

        Send the user to the ``redirect_url`` of the result, then :meth:`wait_for_connection`.

        Args:
            app_name: Such as ``GITHUB``.
            user_id: Who connects. Needed unless the client has a user.
            redirect_url: Where the app sends the user in the end.
            integration_id: Your own integration at the provider.
            auth_mode: How the app is asked for permission.
            connection_params: Parameters of the connection.
            provider: Who makes the connection. Default: the service's choice, ``composio``.
            success_redirect_url: Where the user is sent after success.
            failure_redirect_url: Where the user is sent after failure.

        Raises:
            MissingUserId: There is no user.
        """
        body = given(
            user_id=self._user(user_id),
            app_name=app(app_name),
            redirect_url=redirect_url,
            integration_id=integration_id,
            auth_mode=auth_mode,
            connection_params=None if connection_params is None else dict(connection_params),
            provider=provider_name(provider),
            success_redirect_url=success_redirect_url,
            failure_redirect_url=failure_redirect_url,
        )
        return self._send(Call("POST", _CONNECTIONS + "/initiate", model(ConnectionStart), body=body))

    def get_connection_status(
        self,
        user_id: str | UUID | None = None,
        app_name: str = "",
        *,
        provider: IntegrationProvider | str | None = None,
        include_enabled: bool | None = None,
    ) -> AppConnection:
        """Return the state of a user's connection to an app (GET /v1/integrations/connections/{user}/{app}).

        Args:
            user_id: Whose connection. Needed unless the client has a user.
            app_name: Such as ``GITHUB``. Needed.
            provider: Who makes the connection. Default: the service's choice.
            include_enabled: Whether to tell too if the tenant allows the app.

        Raises:
            MissingUserId: There is no user.
        """
        query = {"provider": provider_name(provider), "include_enabled": include_enabled}
        route = path(_ONE, self._user(user_id), app(app_name))
        return self._send(Call("GET", route, model(AppConnection), query=query))

    def list_connections(
        self,
        user_id: str | UUID | None = None,
        *,
        app_filter: str | Sequence[str] | None = None,
        provider: IntegrationProvider | str | None = None,
    ) -> AppConnectionList:
        """List a user's connections (GET /v1/integrations/connections/{user}).

        Args:
            user_id: Whose connections. Needed unless the client has a user.
            app_filter: Only these apps, as a list or joined by commas.
            provider: Only connections made by this provider.

        Raises:
            MissingUserId: There is no user.
        """
        query = {"app_filter": apps(app_filter), "provider": provider_name(provider)}
        route = path(_CONNECTIONS + "/{}", self._user(user_id))
        return self._send(Call("GET", route, model(AppConnectionList), query=query))

    def get_connection_statuses(
        self,
        app_names: Sequence[str],
        *,
        user_id: str | UUID | None = None,
        provider: IntegrationProvider | str = IntegrationProvider.COMPOSIO,
        include_enabled: bool = False,
    ) -> AppConnectionList:
        """Return the state of several connections at once (POST /v1/integrations/connections/batch).

        Args:
            app_names: Such as ``["GITHUB", "SLACK"]``.
            user_id: Whose connections. Needed unless the client has a user.
            provider: Who makes the connections.
            include_enabled: Whether to tell too if the tenant allows the apps.

        Raises:
            MissingUserId: There is no user.
        """
        body = {
            "user_id": self._user(user_id),
            "app_names": wanted_apps(app_names),
            "provider": provider_name(provider),
            "include_enabled_status": include_enabled,
        }
        # It changes nothing, so it may be tried again.
        key = str(uuid4())
        return self._send(
            Call("POST", _CONNECTIONS + "/batch", model(AppConnectionList), body=body, idempotency_key=key)
        )

    def wait_for_connection(
        self,
        user_id: str | UUID | None = None,
        app_name: str = "",
        *,
        timeout: float = 300.0,
        poll_interval: float = 5.0,
        provider: IntegrationProvider | str | None = None,
    ) -> AppConnection:
        """Wait until a connection is active, while the user allows it at the app.

        Args:
            user_id: Whose connection. Needed unless the client has a user.
            app_name: Such as ``GITHUB``. Needed.
            timeout: Seconds to wait at most.
            poll_interval: Seconds between two looks.
            provider: Who makes the connection. Default: the service's choice.

        Raises:
            AppConnectionError: It failed or expired.
            WaitTimeoutError: ``timeout`` is over; the user can still allow it.
            MissingUserId: There is no user.
        """
        check_seconds("timeout", timeout, endless=True)
        check_seconds("poll_interval", poll_interval)
        deadline = time.monotonic() + timeout
        while True:
            connection = self.get_connection_status(user_id, app_name, provider=provider)
            if is_connected(connection, app(app_name)):
                return connection
            left = deadline - time.monotonic()
            if left <= 0:
                raise WaitTimeoutError(
                    f"The connection to {app(app_name)} is still {connection.status} after {timeout:g} s. Has the user "
                    "opened the redirect_url? Wait again with client.integrations.wait_for_connection(...)."
                )
            sleep(min(poll_interval, left))

    def callback(
        self, *, connection_id: str, code: str | None = None, state: str | None = None, error: str | None = None
    ) -> ConnectionCallbackResult:
        """Hand on what an app's login page sent back (POST /v1/integrations/connections/callback).

        Args:
            connection_id: Id of the connection.
            code: The app's code.
            state: The app's state.
            error: The app's error, if it sent one.
        """
        body = given(connection_id=text("connection_id", connection_id), code=code, state=state, error=error)
        return self._send(Call("POST", _CONNECTIONS + "/callback", model(ConnectionCallbackResult), body=body))

    def disconnect(
        self,
        *,
        app_name: str,
        user_id: str | UUID | None = None,
        provider: IntegrationProvider | str | None = None,
        account_id: str | None = None,
    ) -> DisconnectResult:
        """End a user's connection to an app (POST /v1/integrations/connections/disconnect).

        Args:
            app_name: Such as ``GITHUB``.
            user_id: Whose connection. Needed unless the client has a user.
            provider: Who made the connection. Default: the service's choice.
            account_id: Which of several accounts at the app.

        Raises:
            MissingUserId: There is no user.
        """
        body = given(
            user_id=self._user(user_id),
            app_name=app(app_name),
            provider=provider_name(provider),
            account_id=optional_text("account_id", account_id),
        )
        return self._send(Call("POST", _CONNECTIONS + "/disconnect", model(DisconnectResult), body=body))

    def get_tools(
        self,
        user_id: str | UUID | None = None,
        *,
        app_filter: str | Sequence[str] | None = None,
        provider: IntegrationProvider | str | None = None,
    ) -> IntegrationToolList:
        """Return the tools of a user's active connections (POST /v1/integrations/tools).

        Args:
            user_id: Whose connections. Needed unless the client has a user.
            app_filter: Only these apps, as a list or joined by commas.
            provider: Only connections made by this provider.

        Raises:
            MissingUserId: There is no user.
        """
        body = given(user_id=self._user(user_id), app_filter=apps(app_filter), provider=provider_name(provider))
        # It changes nothing, so it may be tried again.
        key = str(uuid4())
        return self._send(
            Call("POST", "/v1/integrations/tools", model(IntegrationToolList), body=body, idempotency_key=key)
        )

    def get_linkedin_sync_status(self, *, user_id: str | UUID | None = None) -> LinkedInSync:
        """Return how far a LinkedIn synchronization is (GET /v1/integrations/linkedin/sync-status).

        Args:
            user_id: Whose. Needed unless the client has a user.
        """
        query = {"user_id": self._user(user_id)}
        return self._send(Call("GET", _LINKEDIN + "/sync-status", model(LinkedInSync), query=query))

    def sync_linkedin(self, *, user_id: str | UUID | None = None) -> LinkedInSync:
        """Begin to synchronize LinkedIn connections (POST /v1/integrations/linkedin/sync).

        Args:
            user_id: Whose. Needed unless the client has a user.
        """
        query = {"user_id": self._user(user_id)}
        return self._send(Call("POST", _LINKEDIN + "/sync", model(LinkedInSync), query=query))

    def delete_linkedin_connections(self, *, user_id: str | UUID | None = None) -> LinkedInConnectionsDeleted:
        """Delete synchronized LinkedIn connections (DELETE /v1/integrations/linkedin/connections).

        Args:
            user_id: Whose. Needed unless the client has a user.
        """
        query = {"user_id": self._user(user_id)}
        return self._send(Call("DELETE", _LINKEDIN + "/connections", deleted_connections, query=query))

    def _user(self, user_id: str | UUID | None) -> str | None:
        return user_of_call(self._settings, user_id=user_id, scope=Scope.USER)
