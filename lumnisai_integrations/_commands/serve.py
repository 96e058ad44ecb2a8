"""``lumnis serve``: the embedded service in the foreground."""

from __future__ import annotations

import argparse
import json
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from lumnisai_core.local import Fault, LocalLumnis, StoreError
from lumnisai_integrations._commands import CommandError
from lumnisai_integrations._commands.engines import agents_from, engine_from
from lumnisai_integrations._commands.parsers import Commands, named, new_command, number, seconds

_ABOUT = """\
It prints an address and a key for clients, and serves until Ctrl-C or SIGTERM; its exit status is then 0."""

_EXAMPLES = """\
lumnis serve
lumnis serve --port 8787 --path lumnis.db               keep the data
lumnis serve --engine openai:gpt-4o                     a chat model answers
lumnis serve --engine script.json                       play a script
lumnis serve --fault "status=503,route=POST /v1/responses,times=2\""""

_READY = """\
Lumnis is listening at {base_url}
  export LUMNISAI_BASE_URL={base_url}
  export LUMNISAI_API_KEY={api_key}
Watch runs at {base_url}/ in a browser, with the same key.
Data: {data}. Stop with Ctrl-C.
"""


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = new_command(commands, "serve", about=_ABOUT, examples=_EXAMPLES)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port",
        type=lambda word: number(word, 0, 65535),
        default=8787,
        help="port; 0 picks a free one (default: %(default)s)",
    )
    parser.add_argument("--path", type=Path, help="database file that outlives the service (default: a temporary one)")
    parser.add_argument("--api-key", help="key that clients must send (default: a fresh one, which is printed)")
    parser.add_argument(
        "--tenant",
        type=lambda word: named(word, "NAME=KEY"),
        action="append",
        default=[],
        metavar="NAME=KEY",
        help="name of a tenant and a key of it; repeat it for more tenants, and for more keys of one",
    )
    parser.add_argument(
        "--key-expires",
        type=_key_expiry,
        action="append",
        default=[],
        metavar="KEY=DATE",
        help="when a key of --api-key or --tenant expires, as an ISO 8601 date (UTC without a zone); repeatable",
    )
    parser.add_argument(
        "--engine",
        default="offline",
        metavar="ENGINE",
        help="the engine that answers runs: offline, a script file (.json, .yaml), module:attribute, or a chat model "
        "as provider:model, such as openai:gpt-4o (default: %(default)s)",
    )
    parser.add_argument(
        "--agent",
        type=lambda word: named(word, "NAME=ENGINE"),
        action="append",
        default=[],
        metavar="NAME=ENGINE",
        help="the engine of a specialized agent, as for --engine; repeat it for more agents",
    )
    parser.add_argument(
        "--step-delay",
        type=seconds,
        default=0.02,
        metavar="SECONDS",
        help="pause between the steps of the offline engine (default: %(default)s)",
    )
    parser.add_argument(
        "--poll",
        choices=("end-only", "on-change"),
        default="end-only",
        help="when a held poll is answered: at the end of the run, or on any change (default: %(default)s)",
    )
    parser.add_argument(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="FIELD=VALUE,...",
        help='a fault to inject, by the fields of Fault, such as "status=503,route=POST /v1/responses,times=2"; '
        "repeat it for more faults",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM.

    Returns:
        0.

    Raises:
        CommandError: An engine, the tenants, a key, a fault or the database file cannot be used.
        OSError: The port is taken.
    """
    keys: dict[str, list[str]] = {}
    for name, key in options.tenant:
        keys.setdefault(name, []).append(key)
    data = "temporary" if options.path is None else str(options.path)

    def ready(base_url: str, key: str) -> None:
        sys.stdout.write(_READY.format(base_url=base_url, api_key=key, data=data))
        sys.stdout.flush()

    try:
        service = LocalLumnis(
            engine=engine_from(options.engine),
            agents=agents_from(options.agent, options.step_delay),
            host=options.host,
            port=options.port,
            path=options.path,
            api_key=options.api_key,
            tenants=keys,
            key_expiry=dict(options.key_expires),
            poll=options.poll,
            step_delay=options.step_delay,
            faults=options.fault,
        )
    except ValueError as error:
        raise CommandError(str(error)) from error
    try:
        service.serve_forever(ready)
    except StoreError as error:
        raise CommandError(str(error)) from error
    return 0


def _key_expiry(word: str) -> tuple[str, datetime]:
    key, _, date = (part.strip() for part in word.rpartition("="))
    try:
        if key:
            return key, datetime.fromisoformat(date)
    except ValueError:
        pass
    # Without the word, which may be a key.
    raise argparse.ArgumentTypeError("must have the form KEY=DATE, with a date such as 2030-01-31T12:00:00+00:00")


def _fault(word: str) -> Fault:
    try:
        return fault_from(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{word!r}: {error}") from None


#: The comma before the next field; other commas are part of a value, as in dates and bodies.
_NEXT = re.compile(r",\s*(?=[a-z_]+\s*(?:=|,|$))")
_TEXT_FIELDS = ("route", "body")


def fault_from(text: str) -> Fault:
    """Return the fault that ``field=value`` pairs with commas between describe, or a JSON object of the same fields.

    Args:
        text: Such as ``status=503,route=POST /v1/responses,times=2``. A field without a value is switched on, such as
            ``truncate``. A value that is not valid JSON is a text.

    Raises:
        ValueError: A field is unknown or repeated, or a value cannot work.
    """
    if text.lstrip().startswith("{"):
        try:
            return Fault.from_dict(json.loads(text))
        except json.JSONDecodeError as error:
            raise ValueError(f"not valid JSON: {error.msg} at column {error.colno}") from None
    fields: dict[str, Any] = {}
    for part in filter(str.strip, _NEXT.split(text)):
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if name in fields:
            raise ValueError(f"{name} is repeated")
        fields[name] = _value(name, value) if sign else True
    return Fault.from_dict(fields)


def _value(name: str, text: str) -> Any:
    if name in _TEXT_FIELDS and not text.startswith(("{", "[", '"')):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
