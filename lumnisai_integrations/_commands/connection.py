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
from lumnisai_integrations._commands.parsers import Argument, Commands, add_service_options, new_command

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


#: Works with a client; returns the exit status, or None for 0.
Act: TypeAlias = Callable[[Client, argparse.Namespace], int | None]


class Actions:
    """A command with actions, such as ``lumnis runs list``.

    Args:
        command: Name of the command.
        examples: Lines that show how it is used.
    """

    def __init__(self, command: str, examples: str) -> None:
        self._command = command
        self._examples = examples
        self._actions: list[tuple[str, tuple[Argument, ...], Act, dict[str, str]]] = []

    def action(
        self, name: str, summary: str, *arguments: Argument, examples: str, about: str = ""
    ) -> Callable[[Act], Act]:
        """Make a function an action; the parameters are those of ``new_command``."""

        def register(act: Act) -> Act:
            self._actions.append((name, arguments, act, {"summary": summary, "examples": examples, "about": about}))
            return act

        return register

    def add(self, commands: Commands) -> None:
        """Add the command and its actions to a parser."""
        parser = new_command(commands, self._command, examples=self._examples)
        actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
        for name, arguments, act, texts in self._actions:
            action = new_command(actions, name, *arguments, **texts)
            add_service_options(action)
            action.set_defaults(run=_run, act=act)


def _run(options: argparse.Namespace) -> int:
    act: Act = options.act
    with connection(options) as service, service.client() as client:
        return act(client, options) or 0
