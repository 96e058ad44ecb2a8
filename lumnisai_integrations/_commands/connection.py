"""Connections: the service that a command uses, by key and address, or one embedded in the command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from lumnisai_core import Client, Scope
from lumnisai_integrations._commands import UsageError
from lumnisai_integrations._commands.parsers import add_service_options

#: What an action such as ``lumnis runs list`` does with a client; returns the exit status.
Action: TypeAlias = Callable[[Client, argparse.Namespace], int]

#: Pause between progress steps of the embedded engine, in seconds, so that people can see them come.
STEP_DELAY = 0.15

_NO_KEY = (
    "no API key: set LUMNISAI_API_KEY or pass --api-key. Without an account, `lumnis demo` shows the main job, and "
    "`lumnis serve` runs a service of your own and prints a key for it."
)


@dataclass(frozen=True)
class Connection:
    """A service and the user that it works for.

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
        """Where the runs go, in words."""
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
    """Choose the service: an option wins over the environment. Pure.

    Args:
        options: The parsed options of ``add_service_options``.
        environment: The variables of the environment.
    """

    def setting(option: str | None, variable: str) -> str | None:
        return option or environment.get(variable, "").strip() or None

    scope = Scope(getattr(options, "scope", Scope.USER))
    user = setting(options.user_id, "LUMNISAI_USER_ID") or options.default_user
    return Connection(
        api_key=setting(options.api_key, "LUMNISAI_API_KEY") or "",
        base_url=setting(options.base_url, "LUMNISAI_BASE_URL"),
        user_id=options.user_id if scope is Scope.TENANT else user,
        scope=scope,
    )


@contextmanager
def connection(options: argparse.Namespace, *, embedded: bool = False) -> Iterator[Connection]:
    """Provide a service for the length of a ``with`` block.

    Args:
        options: The parsed options of ``add_service_options``.
        embedded: Whether to start a service inside the command if there is neither a key nor an address.

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
    from lumnisai_core.local import LocalLumnis  # noqa: PLC0415 - not installed everywhere, and not needed with a key

    with LocalLumnis(step_delay=STEP_DELAY if sys.stderr.isatty() else 0) as local:
        yield replace(found, api_key=local.api_key, base_url=local.base_url, is_embedded=True)


def set_action(parser: argparse.ArgumentParser, action: Action) -> None:
    """Make a parser run an action with a client, and add the options for the client's service."""
    add_service_options(parser)
    parser.set_defaults(run=run_action, act=action)


def run_action(options: argparse.Namespace) -> int:
    """Run the action in ``options.act`` with a client.

    Raises:
        CommandError: There is no key, or an argument cannot be used.
        LumnisAIError: The service cannot be reached or refuses, or a run that is followed fails.
    """
    action: Action = options.act
    with connection(options) as service, service.client() as client:
        return action(client, options)
