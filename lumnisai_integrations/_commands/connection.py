"""Connections: the service that a command uses, or one embedded in the command; and ids on it, also shortened."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias, TypedDict

from lumnisai_core import Client, Scope
from lumnisai_integrations._commands import UsageError
from lumnisai_integrations._commands.keys import key_of
from lumnisai_integrations._commands.parsers import SCOPE, Argument, Commands, add_service_options, new_command

#: Pause between progress steps of the embedded engine, in seconds, so that people can see them come.
STEP_DELAY = 0.15

#: Characters of a whole id, a UUID, and of the shortest beginning that is looked for.
_WHOLE, _SHORTEST = 36, 4

#: The newest things that a beginning is compared with.
SEARCHED = 1000

_NO_KEY = (
    "no API key: set LUMNISAI_API_KEY or pass --api-key. Without an account, `lumnis demo` shows the main job, and "
    "`lumnis serve` runs a service of your own and prints a key for it."
)


class Settings(TypedDict):
    """Arguments of clients, and fields of the adapters' models."""

    api_key: str
    base_url: str | None
    user_id: str | None
    scope: Scope


@dataclass(frozen=True)
class Connection:
    """A service and the user that it works for, as settings of a client."""

    settings: Settings = field(repr=False)  # with the key
    is_embedded: bool = False

    @property
    def description(self) -> str:
        """Where the runs go, in words."""
        address = self.settings["base_url"]
        if self.is_embedded:
            return f"an embedded Lumnis service at {address} (LUMNISAI_API_KEY is not set)"
        return "the Lumnis platform" if address is None else f"the Lumnis service at {address}"

    def client(self) -> Client:
        """Make a client."""
        return Client(**self.settings)


@contextmanager
def connection(options: argparse.Namespace, *, embedded: bool = False) -> Iterator[Connection]:
    """Provide the service of the options, which win over the environment, for the length of a ``with`` block.

    With ``embedded``, a service starts inside the command if there is neither a key nor an address.
    """
    service = configured(options, embedded=embedded)
    if service is not None:
        yield service
        return
    try:
        from lumnisai_core.local import LocalLumnis  # noqa: PLC0415 - not installed everywhere, not needed with a key
    except ImportError as error:
        raise ImportError(
            f"without LUMNISAI_API_KEY an embedded service answers, and {error}", name=error.name
        ) from error

    with LocalLumnis(step_delay=step_delay()) as local:
        yield embedded_connection(options, local.api_key, local.base_url)


def configured(options: argparse.Namespace, *, embedded: bool = False) -> Connection | None:
    """Return the service that the options or the environment name; None if one may be ``embedded`` and none is named.

    Raises:
        UsageError: There is no key.
    """
    from_file = None if options.api_key_file is None else key_of(options.api_key_file)
    key, address = options.api_key or from_file or _setting(options, "api_key"), _setting(options, "base_url")
    if key:
        return Connection(_settings(options, key, address))
    if not embedded or address is not None:
        raise UsageError(_NO_KEY)
    return None


def embedded_connection(options: argparse.Namespace, key: str, address: str) -> Connection:
    """Return an embedded service, for the user of the options."""
    return Connection(_settings(options, key, address), is_embedded=True)


def step_delay() -> float:
    """Return the pause between the steps of an embedded engine: none where nobody watches."""
    return STEP_DELAY if sys.stderr.isatty() else 0


def _settings(options: argparse.Namespace, key: str, address: str | None) -> Settings:
    scope = Scope(getattr(options, "scope", Scope.USER))
    user = options.user_id if scope is Scope.TENANT else _setting(options, "user_id") or options.default_user
    return {"api_key": key, "base_url": address, "user_id": user, "scope": scope}


def _setting(options: argparse.Namespace, name: str) -> str | None:
    return getattr(options, name) or os.environ.get(f"LUMNISAI_{name.upper()}", "").strip() or None


#: Works with a client; returns the exit status, or None for 0.
Act: TypeAlias = Callable[[Client, argparse.Namespace], int | None]


class Actions:
    """A command with actions, such as ``lumnis runs list``; each action is a function."""

    def __init__(self, command: str, examples: str) -> None:
        self._command = command
        self._examples = examples
        self._actions: list[Callable[[Commands], None]] = []

    def action(self, name: str, summary: str, *arguments: Argument, **texts: str) -> Callable[[Act], Act]:
        """Make a function an action; the parameters are those of ``new_command``."""

        def register(act: Act) -> Act:
            def add(actions: Commands) -> None:
                parser = new_command(actions, name, *arguments, summary=summary, **texts)
                add_service_options(parser, SCOPE)
                parser.set_defaults(command=_run, act=act)

            self._actions.append(add)
            return act

        return register

    def add(self, commands: Commands) -> None:
        """Add the command and its actions to a parser."""
        parser = new_command(commands, self._command, examples=self._examples)
        actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
        for add in self._actions:
            add(actions)


def _run(options: argparse.Namespace) -> int:
    act: Act = options.act
    with connection(options) as service, service.client() as client:
        return act(client, options) or 0


# Ids, of which the beginning is enough


def whole_run_id(client: Client, word: str) -> str:
    """Return the id of the run that a word is, or begins.

    Raises:
        UsageError: Several runs begin so.
    """
    return whole_id(word, "runs", lambda: (run.response_id for run in client.responses.iter(page_size=100)))


def whole_thread_id(client: Client, word: str) -> str:
    """Return the id of the conversation that a word is, or begins.

    Raises:
        UsageError: Several conversations begin so.
    """
    return whole_id(word, "conversations", lambda: (one.thread_id for one in client.threads.iter(page_size=100)))


def whole_file_id(client: Client, word: str) -> str:
    """Return the id of the file that a word is, or begins.

    Raises:
        UsageError: Several files begin so.
    """
    return whole_id(word, "files", lambda: (file.id for file in client.files.iter(page_size=100)))


def whole_id(word: str, things: str, ids: Callable[[], Iterable[str]]) -> str:
    """Return the only id of the newest things that begins with a word; the word itself if none does.

    Raises:
        UsageError: Several ids begin so.
    """
    if not _SHORTEST <= len(word) < _WHOLE:
        return word
    found = [one for one in islice(ids(), SEARCHED) if one.startswith(word)]
    if word in found or not found:
        return word
    if len(found) > 1:
        shown = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        raise UsageError(f"{word} is the beginning of several {things}: {shown}. Write more of the id")
    return found[0]
