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
from lumnisai_integrations._commands.engines import agents_from, engine_from
from lumnisai_integrations._commands.errors import CommandError
from lumnisai_integrations._commands.parsers import Commands, new_command, seconds

_ABOUT = """\
It prints an address and a key for clients, and serves until Ctrl-C or SIGTERM, which are its regular end."""

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
    parser.add_argument("--port", type=_port, default=8787, help="port; 0 picks a free one (default: %(default)s)")
    parser.add_argument("--path", type=Path, help="database file that outlives the service (default: a temporary one)")
    parser.add_argument("--api-key", help="key that clients must send (default: a fresh one, which is printed)")
    parser.add_argument(
        "--tenant",
        type=_tenant,
        action="append",
        default=[],
        metavar="NAME=KEY",
        help="a tenant by name and a key of it; repeat it for more tenants, and for more keys of one",
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
        help="what answers runs: offline, a script file (.json, .yaml), module:attribute, or a chat model as "
        "provider:model, such as openai:gpt-4o (default: %(default)s)",
    )
    parser.add_argument(
        "--agent",
        type=_agent,
        action="append",
        default=[],
        metavar="NAME=ENGINE",
        help="what answers the runs of a specialized agent, as for --engine; repeat it for more agents",
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
        help="when a held poll is answered: at the end of the run, or on any news (default: %(default)s)",
    )
    parser.add_argument(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="FIELD=VALUE,...",
        help='what is to go wrong, by the fields of Fault, such as "status=503,route=POST /v1/responses,times=2"; '
        "repeat it for more faults",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM.

    Returns:
        0

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


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: use 0 to 65535")
    return int(text)


def _tenant(text: str) -> tuple[str, str]:
    name, _, key = (part.strip() for part in text.partition("="))
    if not name or not key:
        raise argparse.ArgumentTypeError("write a tenant as NAME=KEY")  # without the text, which may be a key
    return name, key


def _agent(text: str) -> tuple[str, str]:
    name, _, engine = (part.strip() for part in text.partition("="))
    if not name or not engine:
        raise argparse.ArgumentTypeError(f"{text!r} is no agent: write NAME=ENGINE")
    return name, engine


def _key_expiry(text: str) -> tuple[str, datetime]:
    key, _, date = (part.strip() for part in text.rpartition("="))
    if not key:
        raise argparse.ArgumentTypeError("write the expiry of a key as KEY=DATE")  # without the text, which is a key
    try:
        return key, datetime.fromisoformat(date)
    except ValueError:
        raise argparse.ArgumentTypeError("the date of KEY=DATE must be as in 2030-01-31T12:00:00+00:00") from None


def _fault(text: str) -> Fault:
    try:
        return fault_from(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


#: Where the next field begins: a comma alone is part of the value, as in dates and bodies.
_NEXT = re.compile(r",\s*(?=[a-z_]+\s*(?:=|,|$))")
_TEXTS = ("route", "body")


def fault_from(text: str) -> Fault:
    """Return the fault for ``field=value`` pairs with commas between, or for a JSON object of the same fields.

    Args:
        text: Such as ``status=503,route=POST /v1/responses,times=2``. A field without a value is switched on, such as
            ``truncate``. Values are read as JSON, and as texts if they are none.

    Raises:
        ValueError: A field is not known or given twice, or a value cannot work.
    """
    if text.lstrip().startswith("{"):
        try:
            return Fault.from_dict(json.loads(text))
        except json.JSONDecodeError as error:
            raise ValueError(f"this is no JSON: {error.msg} at column {error.colno}") from None
    fields: dict[str, Any] = {}
    for part in filter(str.strip, _NEXT.split(text)):
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if name in fields:
            raise ValueError(f"{name} is given twice")
        fields[name] = _value(name, value) if sign else True
    if not fields:
        raise ValueError("a fault needs something to do, such as status=503")
    return Fault.from_dict(fields)


def _value(name: str, text: str) -> Any:
    if name in _TEXTS and not text.startswith(("{", "[", '"')):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
