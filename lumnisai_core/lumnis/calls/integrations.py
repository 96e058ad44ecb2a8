"""Arguments and answers of connections to apps. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lumnisai_core._transport.checks import optional_member, text, texts
from lumnisai_core.exceptions import AppConnectionError, ValidationError
from lumnisai_core.lumnis.models.integrations import (
    AppConnection,
    ConnectionStatus,
    IntegrationProvider,
    LinkedInConnectionsDeleted,
)


def app(name: str) -> str:
    """Return the name of an app in capitals, as the service writes it."""
    return text("app_name", name).strip().upper()


def app_list(argument: str, names: Iterable[str]) -> list[str]:
    """Return the names of one or more apps. Errors name the argument."""
    if isinstance(names, str):
        raise ValidationError(f"{argument} must be a list of names, not {names!r}.")
    return [app(name) for name in texts(argument, names)]


def app_filter(names: str | Iterable[str] | None) -> list[str] | None:
    """Return the names of apps from a list or a comma-separated string."""
    return None if names is None else app_list("app_filter", names.split(",") if isinstance(names, str) else names)


def provider(name: IntegrationProvider | str | None) -> IntegrationProvider | None:
    """Return a provider of connections."""
    return optional_member(IntegrationProvider, "provider", name)


def deleted_connections(data: Any) -> LinkedInConnectionsDeleted:
    """Read the answer to a deletion, which may be empty."""
    return LinkedInConnectionsDeleted.model_validate({} if data is None else data)


def is_connected(connection: AppConnection, app_name: str) -> bool:
    """Return whether a connection is active; if it failed or expired, waiting is useless: AppConnectionError."""
    if connection.status in (ConnectionStatus.FAILED, ConnectionStatus.EXPIRED):
        reason = connection.error_message or "the service gave no reason"
        raise AppConnectionError(
            f"The connection to {app_name} is {connection.status}: {reason}. Start it again with "
            "client.integrations.initiate_connection(...).",
            detail=connection.json(),
        )
    return connection.status == ConnectionStatus.ACTIVE
