# Generated from lumnisai_core/lumnis/_async/resources/integrations.py by `make sync`; edit that file.
"""Connections of users to external apps: ``/v1/integrations``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from lumnisai_core._transport._sync.resource import Resource
from lumnisai_core._transport.answer import model
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.checks import check_seconds, not_none, optional_member, optional_text, path, text, texts
from lumnisai_core._transport.waiting import sleep
from lumnisai_core.exceptions import AppConnectionError, WaitTimeoutError
from lumnisai_core.lumnis.config import Settings, user_of_call
from lumnisai_core.lumnis.models.integrations import (
    AppConnection,
    AppConnectionList,
    AppEnabled,
    AppList,
    AppRequiredFields,
    ConnectionCallbackResult,
    ConnectionStart,
    ConnectionStatus,
    DisconnectResult,
    IntegrationProvider,
    IntegrationProviderList,
    IntegrationToolList,
    LinkedInConnectionsDeleted,
    LinkedInSync,
)
from lumnisai_core.lumnis.models.requests import Scope

_ROUTE = "/v1/integrations"
_CONNECTIONS = "/v1/integrations/connections"

#: Seconds that the service may take to enable an app, in addition to the usual time.
_ENABLING = 60.0


class Integrations(Resource[Settings]):
    """Connect users to apps and list the tools of their connections. Available as ``client.integrations``.

    A connection always belongs to a user: the ``user_id`` of the call or of the client, in every scope. Names of apps
    may be in upper or lower case.
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
        """Start connecting a user to an app (POST /v1/integrations/connections/initiate).

        Send the user to the ``redirect_url`` of the result, then call :meth:`wait_for_connection`.

        Args:
            app_name: Name of the app, such as ``GITHUB``.
            user_id: User to connect. Required unless the client has a user.
            redirect_url: Page to which the app sends the user at the end.
            integration_id: Id of your own integration at the provider.
            auth_mode: Kind of authorization.
            connection_params: Parameters of the connection.
            provider: Provider of the connection. Default: the service's choice, ``composio``.
            success_redirect_url: Page for the user after success.
            failure_redirect_url: Page for the user after failure.

        Raises:
            MissingUserId: Neither the call nor the client has a user.
        """
        body = not_none(
            user_id=self._user(user_id),
            app_name=_app(app_name),
            redirect_url=redirect_url,
            integration_id=integration_id,
            auth_mode=auth_mode,
            connection_params=None if connection_params is None else dict(connection_params),
            provider=_provider(provider),
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
            user_id: User of the connection. Required unless the client has a user.
            app_name: Name of the app, such as ``GITHUB``. Required.
            provider: Provider of the connection. Default: the service's choice.
            include_enabled: Whether to report if the tenant allows the app.

        Raises:
            MissingUserId: Neither the call nor the client has a user.
        """
        route = path(_CONNECTIONS + "/{}/{}", self._user(user_id), _app(app_name))
        return self._get(AppConnection, route, provider=_provider(provider), include_enabled=include_enabled)

    def get_connection_statuses(
        self,
        app_names: Sequence[str],
        *,
        user_id: str | UUID | None = None,
        provider: IntegrationProvider | str = IntegrationProvider.COMPOSIO,
        include_enabled: bool = False,
    ) -> AppConnectionList:
        """Return the states of several connections (POST /v1/integrations/connections/batch).

        Args:
            app_names: Names of apps, such as ``["GITHUB", "SLACK"]``.
            user_id: User of the connections. Required unless the client has a user.
            provider: Provider of the connections.
            include_enabled: Whether to report if the tenant allows the apps.

        Raises:
            MissingUserId: Neither the call nor the client has a user.
        """
        body = {
            "user_id": self._user(user_id),
            "app_names": _apps("app_names", app_names),
            "provider": _provider(provider),
            "include_enabled_status": include_enabled,
        }
        return self._send(Call("POST", _CONNECTIONS + "/batch", model(AppConnectionList), body=body, idempotent=True))

    def list_connections(
        self,
        user_id: str | UUID | None = None,
        *,
        app_filter: str | Sequence[str] | None = None,
        provider: IntegrationProvider | str | None = None,
    ) -> AppConnectionList:
        """List a user's connections (GET /v1/integrations/connections/{user}).

        Args:
            user_id: User of the connections. Required unless the client has a user.
            app_filter: Only these apps, as a list or a comma-separated string.
            provider: Only connections of this provider.

        Raises:
            MissingUserId: Neither the call nor the client has a user.
        """
        route = path(_CONNECTIONS + "/{}", self._user(user_id))
        return self._get(AppConnectionList, route, app_filter=_app_filter(app_filter), provider=_provider(provider))

    def wait_for_connection(
        self,
        user_id: str | UUID | None = None,
        app_name: str = "",
        *,
        timeout: float = 300.0,
        poll_interval: float = 5.0,
        provider: IntegrationProvider | str | None = None,
    ) -> AppConnection:
        """Wait until a connection is active, while the user authorizes it in the app.

        Args:
            user_id: User of the connection. Required unless the client has a user.
            app_name: Name of the app, such as ``GITHUB``. Required.
            timeout: Seconds to wait at most.
            poll_interval: Seconds between two polls.
            provider: Provider of the connection. Default: the service's choice.

        Raises:
            AppConnectionError: The connection failed or expired.
            WaitTimeoutError: The connection is not active after ``timeout``; the user can still authorize it.
            MissingUserId: Neither the call nor the client has a user.
        """
        check_seconds("timeout", timeout, endless=True)
        check_seconds("poll_interval", poll_interval)
        name = _app(app_name)
        deadline = time.monotonic() + timeout
        while True:
            connection = self.get_connection_status(user_id, name, provider=provider)
            if connection.status == ConnectionStatus.ACTIVE:
                return connection
            if connection.status in (ConnectionStatus.FAILED, ConnectionStatus.EXPIRED):  # waiting is useless
                reason = connection.error_message or "the service gave no reason"
                raise AppConnectionError(
                    f"The connection to {name} is {connection.status}: {reason}. Start it again with "
                    "client.integrations.initiate_connection(...).",
                    detail=connection.json(),
                )
            left = deadline - time.monotonic()
            if left <= 0:
                raise WaitTimeoutError(
                    f"The connection to {name} is still {connection.status} after {timeout:g} s. Has the user opened "
                    "the redirect_url? Wait again with client.integrations.wait_for_connection(...)."
                )
            sleep(min(poll_interval, left))

    def callback(
        self, *, connection_id: str, code: str | None = None, state: str | None = None, error: str | None = None
    ) -> ConnectionCallbackResult:
        """Pass on the callback of an app's login page (POST /v1/integrations/connections/callback).

        Args:
            connection_id: Id of the connection.
            code: Authorization code of the app.
            state: State parameter of the app.
            error: Error of the app, if there is one.
        """
        body = not_none(connection_id=text("connection_id", connection_id), code=code, state=state, error=error)
        return self._send(Call("POST", _CONNECTIONS + "/callback", model(ConnectionCallbackResult), body=body))

    def disconnect(
        self,
        *,
        app_name: str,
        user_id: str | UUID | None = None,
        provider: IntegrationProvider | str | None = None,
        account_id: str | None = None,
    ) -> DisconnectResult:
        """Remove a user's connection to an app (POST /v1/integrations/connections/disconnect).

        Args:
            app_name: Name of the app, such as ``GITHUB``.
            user_id: User of the connection. Required unless the client has a user.
            provider: Provider of the connection. Default: the service's choice.
            account_id: Account at the app, if the user has several.

        Raises:
            MissingUserId: Neither the call nor the client has a user.
        """
        body = not_none(
            user_id=self._user(user_id),
            app_name=_app(app_name),
            provider=_provider(provider),
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
            user_id: User of the connections. Required unless the client has a user.
            app_filter: Only these apps, as a list or a comma-separated string.
            provider: Only connections of this provider.

        Raises:
            MissingUserId: Neither the call nor the client has a user.
        """
        body = not_none(user_id=self._user(user_id), app_filter=_app_filter(app_filter), provider=_provider(provider))
        return self._send(Call("POST", _ROUTE + "/tools", model(IntegrationToolList), body=body, idempotent=True))

    def list_apps(
        self, *, include_available: bool = True, provider: IntegrationProvider | str | None = None
    ) -> AppList:
        """List the apps that users can connect to (GET /v1/integrations/apps).

        Args:
            include_available: Whether to list the apps that could be enabled, too.
            provider: Only apps of this provider.
        """
        return self._get(AppList, _ROUTE + "/apps", include_available=include_available, provider=_provider(provider))

    def is_app_enabled(self, app_name: str, *, provider: IntegrationProvider | str | None = None) -> AppEnabled:
        """Return whether users can connect to an app, as ``enabled`` (GET /v1/integrations/apps/{app}/enabled).

        Args:
            app_name: Name of the app, such as ``GITHUB``.
            provider: Provider of connections. Default: the service's choice.
        """
        route = path(_ROUTE + "/apps/{}/enabled", _app(app_name))
        return self._get(AppEnabled, route, provider=_provider(provider))

    def set_app_enabled(self, app_name: str, *, enabled: bool) -> AppEnabled:
        """Enable or disable an app (PUT /v1/integrations/apps/{app}). This can take half a minute.

        Args:
            app_name: Name of the app, such as ``GITHUB``.
            enabled: Whether users can connect to it.
        """
        route = path(_ROUTE + "/apps/{}", _app(app_name))
        return self._send(Call("PUT", route, model(AppEnabled), query={"enabled": enabled}, held=_ENABLING))

    def list_providers(self) -> IntegrationProviderList:
        """List the providers of connections (GET /v1/integrations/providers)."""
        return self._get(IntegrationProviderList, _ROUTE + "/providers")

    def get_non_oauth_required_fields(self, app_name: str, *, auth_scheme: str | None = None) -> AppRequiredFields:
        """Return the fields that an app without a login page requires (GET .../non-oauth/required-fields/{app}).

        The route is reserved: the service answers it with status 501.

        Args:
            app_name: Name of the app, such as ``GITHUB``.
            auth_scheme: Authorization scheme of the app.

        Raises:
            TransportError: The service does not implement it.
        """
        route = path(_ROUTE + "/non-oauth/required-fields/{}", _app(app_name))
        return self._send(Call("GET", route, model(AppRequiredFields), query={"auth_scheme": auth_scheme}))

    def get_linkedin_sync_status(self, *, user_id: str | UUID | None = None) -> LinkedInSync:
        """Return the state of a LinkedIn synchronization (GET /v1/integrations/linkedin/sync-status).

        Args:
            user_id: User of the connections. Required unless the client has a user.
        """
        return self._get(LinkedInSync, _ROUTE + "/linkedin/sync-status", user_id=self._user(user_id))

    def sync_linkedin(self, *, user_id: str | UUID | None = None) -> LinkedInSync:
        """Start to synchronize LinkedIn connections (POST /v1/integrations/linkedin/sync).

        Args:
            user_id: User of the connections. Required unless the client has a user.
        """
        query = {"user_id": self._user(user_id)}
        return self._send(Call("POST", _ROUTE + "/linkedin/sync", model(LinkedInSync), query=query))

    def delete_linkedin_connections(self, *, user_id: str | UUID | None = None) -> LinkedInConnectionsDeleted:
        """Delete synchronized LinkedIn connections (DELETE /v1/integrations/linkedin/connections).

        Args:
            user_id: User of the connections. Required unless the client has a user.
        """
        query = {"user_id": self._user(user_id)}
        return self._send(Call("DELETE", _ROUTE + "/linkedin/connections", _deleted, query=query))

    def _user(self, user_id: str | UUID | None) -> str | None:
        return user_of_call(self._settings, user_id=user_id, scope=Scope.USER)


def _app(name: str) -> str:
    return text("app_name", name).strip().upper()  # as the service writes it


def _apps(argument: str, names: Sequence[str]) -> list[str]:
    return [_app(name) for name in texts(argument, names)]


def _app_filter(names: str | Sequence[str] | None) -> list[str] | None:
    return None if names is None else _apps("app_filter", names.split(",") if isinstance(names, str) else names)


def _provider(name: IntegrationProvider | str | None) -> IntegrationProvider | None:
    return optional_member(IntegrationProvider, "provider", name)


def _deleted(data: Any) -> LinkedInConnectionsDeleted:
    return LinkedInConnectionsDeleted.model_validate({} if data is None else data)  # the answer may be empty
