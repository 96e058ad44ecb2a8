"""Decisions about connections to apps. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lumnisai_core._transport.checks import member, text, texts
from lumnisai_core.exceptions import AppConnectionError, ValidationError
from lumnisai_core.lumnis.models.integrations import (
    AppConnection,
    ConnectionStatus,
    IntegrationProvider,
    LinkedInConnectionsDeleted,
)

_OVER = (ConnectionStatus.FAILED, ConnectionStatus.EXPIRED)


def app(name: str) -> str:
    """Write the name of an app as the service does: in capitals.

    Raises:
        ValidationError: There is none.
    """
    return text("app_name", name).strip().upper()


def apps(names: str | Iterable[str] | None) -> list[str] | None:
    """Write names of apps, given as a list or joined by commas.

    Raises:
        ValidationError: A name is blank, or there is none.
    """
    if names is None:
        return None
    listed = names.split(",") if isinstance(names, str) else names
    return [app(name) for name in texts("app_filter", listed)]


def provider_name(provider: IntegrationProvider | str | None) -> str | None:
    """Check the name of a provider of connections.

    Raises:
        ValidationError: There is no such provider.
    """
    return None if provider is None else str(member(IntegrationProvider, "provider", provider))


def wanted_apps(names: Sequence[str]) -> list[str]:
    """Write at least one name of an app.

    Raises:
        ValidationError: There is none, or one is blank.
    """
    if isinstance(names, str):
        raise ValidationError(f"app_names must be a list of names, not {names!r}.")
    return [app(name) for name in texts("app_names", names)]


def deleted_connections(data: Any) -> LinkedInConnectionsDeleted:
    """Read the answer to a deletion, which may be empty."""
    return LinkedInConnectionsDeleted.model_validate({} if data is None else data)


def is_connected(connection: AppConnection, app_name: str) -> bool:
    """Say whether a connection can be used.

    Raises:
        AppConnectionError: It failed or expired, so that waiting is useless.
    """
    if connection.status in _OVER:
        reason = connection.error_message or "the service gives no reason"
        raise AppConnectionError(
            f"The connection to {app_name} is {connection.status}: {reason}. Begin it again with "
            "client.integrations.initiate_connection(...).",
            detail=connection.json(),
        )
    return connection.status == ConnectionStatus.ACTIVE
