"""Which service a command talks to: the one there is a key for, else one embedded in the command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from lumnisai_core import Client, Scope
from lumnisai_integrations._commands.errors import UsageError

#: Pause between progress steps of the embedded engine, in seconds, so that people can see them come.
STEP_DELAY = 0.15

_NO_KEY = (
    "no API key: set LUMNISAI_API_KEY or pass --api-key. Without an account, `lumnis demo` shows the main job, and "
    "`lumnis serve` runs a service of your own and prints a key for it."
)


@dataclass(frozen=True)
class Connection:
    """A service and for whom it works.

    Attributes:
        api_key: Key; empty if there is none.
        base_url: Address, or None for the platform's.
        user_id: User, or None in tenant scope.
        scope: Whose data to work on.
        is_embedded: Whether the service ends with the command.
    """

    api_key: str = field(repr=False)
    base_url: str | None
    user_id: str | None
    scope: Scope = Scope.USER
    is_embedded: bool = False

    @property
    def description(self) -> str:
        """Say where the runs go."""
        if self.is_embedded:
            return f"an embedded Lumnis service at {self.base_url} (LUMNISAI_API_KEY is not set)"
        return "the Lumnis platform" if self.base_url is None else f"the Lumnis service at {self.base_url}"

    def client(self) -> Client:
        """Make a client.

        Raises:
            ConfigurationError: Key, address or user cannot be used.
        """
        return Client(self.api_key, base_url=self.base_url, user_id=self.user_id, scope=self.scope)


def connection_of(options: argparse.Namespace, environment: Mapping[str, str]) -> Connection:
    """Settle where to go: an option wins over the environment. Pure.

    Args:
        options: What :func:`add_service_options` read.
        environment: The variables of the environment.
    """

    def given(variable: str, option: str | None) -> str | None:
        return option or environment.get(variable, "").strip() or None

    scope = Scope(getattr(options, "scope", Scope.USER))
    user = given("LUMNISAI_USER_ID", options.user_id) or options.default_user
    return Connection(
        api_key=given("LUMNISAI_API_KEY", options.api_key) or "",
        base_url=given("LUMNISAI_BASE_URL", options.base_url),
        user_id=options.user_id if scope is Scope.TENANT else user,
        scope=scope,
    )


@contextmanager
def connection(options: argparse.Namespace, *, embedded: bool = False) -> Iterator[Connection]:
    """Offer a service for the length of a ``with`` block.

    Args:
        options: What :func:`add_service_options` read.
        embedded: Whether a service inside the command will do where there is neither a key nor an address.

    Raises:
        UsageError: There is no key.
        ImportError: The embedded service is not installed.
    """
    found = connection_of(options, os.environ)
    if found.api_key:
        yield found
        return
    if not embedded or found.base_url is not None:
        raise UsageError(_NO_KEY)
    from lumnisai_core.local import LocalLumnis  # noqa: PLC0415 - who has a key need not have it installed

    with LocalLumnis(step_delay=STEP_DELAY if sys.stderr.isatty() else 0) as local:
        yield replace(found, api_key=local.api_key, base_url=local.base_url, is_embedded=True)


@contextmanager
def connected(options: argparse.Namespace) -> Iterator[Client]:
    """Offer a client for the length of a ``with`` block.

    Raises:
        UsageError: There is no key.
    """
    with connection(options) as service, service.client() as client:
        yield client
