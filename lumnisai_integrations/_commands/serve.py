"""``lumnis serve``: the embedded service in the foreground."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from lumnisai_core.local import Fault, LocalLumnis, StoreError
from lumnisai_integrations._commands import CommandError
from lumnisai_integrations._commands.engines import agents_from, engine_from
from lumnisai_integrations._commands.keys import SERVED_KEY, key_of, tenants_of, write_secret
from lumnisai_integrations._commands.logs import FORMATS, LEVELS, logged
from lumnisai_integrations._commands.output import write
from lumnisai_integrations._commands.parsers import Argument, Commands, argument, named, new_command, number

_ABOUT = """\
It prints the variables with which the clients of all platforms find it, and serves until Ctrl-C or SIGTERM; its exit
status is then 0. Keys are shown on a terminal only, once; --env-file writes them for others. The key that clients of
Lumnis must send is that of --api-key-file or LUMNISAI_SERVE_API_KEY, else a fresh one."""

_EXAMPLES = """\
lumnis serve
lumnis serve --port 8787 --path lumnis.db               keep the data
lumnis serve --api-key-file lumnis.key                  keep the key, too
lumnis serve --engine openai:gpt-4o                     a chat model answers
lumnis serve --engine script.json                       play a script
lumnis serve --fault "status=503,route=POST /v1/responses,times=2\""""

_READY = """\
Lumnis is listening at {base_url}
{exports}
Clients of OpenAI reach it at {openai}, with the key of LUMNISAI_API_KEY.
Watch runs and sessions at {base_url}/ in a browser, with the key of LUMNISAI_API_KEY.
Engine: {engine}.{tenants}
Data: {data}. Stop with Ctrl-C.
"""


_HIDDEN = "not shown outside a terminal: pass --env-file"


def _key_expiry(word: str) -> tuple[str, datetime]:
    key, _, date = (part.strip() for part in word.rpartition("="))
    try:
        if key:
            return key, datetime.fromisoformat(date)
    except ValueError:
        pass
    # Without the word, which may be a key.
    raise argparse.ArgumentTypeError("must have the form KEY=DATE, with a date such as 2030-01-31T12:00:00+00:00")


#: The comma before the next field; other commas are part of a value, as in dates and bodies.
_NEXT = re.compile(r",\s*(?=[a-z_]+\s*(?:=|,|$))")
_TEXT_FIELDS = ("route", "body")


def fault_from(text: str) -> Fault:
    """Return the fault that a JSON object or pairs describe, such as ``status=503,route=POST /v1/responses,times=2``.

    A field without a value is switched on, such as ``truncate``. A value that is not valid JSON is a text.
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


def _fault(word: str) -> Fault:
    try:
        return fault_from(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{word!r}: {error}") from None


def _repeatable(name: str, **settings: Any) -> Argument:
    return argument(name, action="append", default=[], **settings)


_ARGUMENTS = (
    argument("--host", type=str, default="127.0.0.1", help="address to listen on"),
    argument("--port", type=number(int, 0, 65535), default=8787, help="0 picks a free one"),
    argument("--public-url", metavar="URL", help="address under which clients reach it through a proxy"),
    argument("--path", type=Path, help="database file that outlives the service (default: a temporary one)"),
    argument(
        "--api-key",
        type=str,
        metavar="KEY",
        help="key that clients must send; others on this machine can see it, so prefer --api-key-file",
    ),
    argument(
        "--api-key-file",
        type=Path,
        metavar="FILE",
        help="file with that key, for its owner only; made with a fresh key if it is missing (default: "
        "$LUMNISAI_SERVE_API_KEY, else a fresh key)",
    ),
    argument(
        "--env-file",
        type=Path,
        metavar="FILE",
        help="file to write with the variables of all clients, keys included, for its owner only",
    ),
    argument(
        "--tenant-file",
        type=Path,
        metavar="FILE",
        help="file with a line NAME=KEY or NAME=KEY DATE for each key of a tenant and its expiry, for its owner only",
    ),
    _repeatable(
        "--tenant",
        type=named("NAME=KEY"),
        metavar="NAME=KEY",
        help="name of a tenant and a key of it; repeat it for more tenants, and for more keys of one",
    ),
    _repeatable(
        "--key-expires",
        type=_key_expiry,
        metavar="KEY=DATE",
        help="when a key of --api-key or --tenant expires, as an ISO 8601 date (UTC without a zone); repeatable",
    ),
    argument(
        "--engine",
        type=str,
        default="offline",
        help="the engine that answers runs: offline, a script file (.json, .yaml), module:attribute, or a chat model "
        "as provider:model, such as openai:gpt-4o or ollama:llama3.2; OPENAI_BASE_URL points openai: to any server "
        "with its protocol",
    ),
    _repeatable(
        "--agent",
        type=named("NAME=ENGINE"),
        metavar="NAME=ENGINE",
        help="the engine of a specialized agent, as for --engine; repeat it for more agents",
    ),
    argument(
        "--step-delay",
        type=number(float, 0),
        default=0.02,
        metavar="SECONDS",
        help="how long the offline engine pauses between two steps of a run, so that people can watch them; models and "
        "scripts are not slowed",
    ),
    argument(
        "--poll",
        choices=("end-only", "on-change"),
        default="on-change",
        help="when a held poll is answered: at the end of the run, or on any change, such as text of an answer that is "
        "being written (the default)",
    ),
    _repeatable(
        "--fault",
        type=_fault,
        metavar="FIELD=VALUE,...",
        help='a fault to inject, by the fields of Fault, such as "status=503,route=POST /v1/responses,times=2"; '
        "repeat it for more faults",
    ),
    argument(
        "--fault-routes",
        action="store_true",
        help="let the service's own key add and remove faults over HTTP; never a key of a tenant",
    ),
    argument("--quiet", action="store_true", help="log nothing but failures of the service, as --log-level error"),
    argument(
        "--log-level",
        choices=LEVELS,
        default="info",
        help="what is logged on standard error: a line for each request and run from info on, refusals and failed runs "
        "from warning on",
    ),
    argument("--log-format", choices=FORMATS, default="text", help="how it is logged: a line of text or a JSON object"),
)


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    new_command(commands, "serve", *_ARGUMENTS, about=_ABOUT, examples=_EXAMPLES).set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    keys: dict[str, list[str]] = {}
    expiry: dict[str, datetime] = dict(options.key_expires)
    for name, key in options.tenant:
        keys.setdefault(name, []).append(key)
    for name, key, expires_at in () if options.tenant_file is None else tenants_of(options.tenant_file):
        keys.setdefault(name, []).append(key)
        if expires_at is not None:
            expiry[key] = expires_at
    own, source = _own_key(options)

    def ready(base_url: str, key: str) -> None:
        exports = local.environment()
        if options.env_file is not None:
            text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in exports.items())
            write_secret(options.env_file, text, replace=True)
        own_names = {name for name, value in exports.items() if value == key}
        hidden = set() if own is None and not keys else own_names
        if not sys.stdout.isatty():
            hidden = {name for name in exports if name.endswith(("_KEY", "_TOKEN"))}
        why = dict.fromkeys(hidden, _HIDDEN) | dict.fromkeys(own_names, source)
        lines = [
            f"  {name} is {why[name]}" if name in hidden else f"  export {name}={shlex.quote(value)}"
            for name, value in exports.items()
        ]
        engines = [options.engine, *(f"{name} for {agent}" for agent, name in options.agent)]
        write(
            _READY.format(
                base_url=base_url,
                openai=local.openai_base_url,
                exports="\n".join(lines),
                engine=", ".join(engines),
                tenants=_tenants(keys, shown=sys.stdout.isatty()),
                data=options.path or "temporary",
            )
        )

    try:
        local = LocalLumnis(
            engine=engine_from(options.engine),
            agents=agents_from(options.agent, options.step_delay),
            host=options.host,
            port=options.port,
            path=options.path,
            public_url=options.public_url,
            api_key=own,
            tenants=keys,
            key_expiry=expiry,
            poll=options.poll,
            step_delay=options.step_delay,
            faults=options.fault,
            fault_routes=options.fault_routes,
        )
        with logged("error" if options.quiet else options.log_level, options.log_format):
            local.serve_forever(ready)
    except (ValueError, StoreError) as error:
        raise CommandError(str(error)) from error
    return 0


def _tenants(keys: dict[str, list[str]], *, shown: bool) -> str:
    """Return lines with the tenants and their keys, or with how many there are."""
    counted = {name: f"{len(own)} key{'s' * (len(own) > 1)}" for name, own in keys.items()}
    return "".join(f"\nTenant {name}: {', '.join(own) if shown else counted[name]}." for name, own in keys.items())


def _own_key(options: argparse.Namespace) -> tuple[str | None, str]:
    """Return the key of the service itself, None for a default one, and where users find it, in words."""
    if options.api_key is not None:
        return options.api_key, "that of --api-key"
    if options.api_key_file is not None:
        return key_of(options.api_key_file, make=True), f"in {options.api_key_file}"
    if key := os.environ.get(SERVED_KEY, "").strip():
        return key, f"that of {SERVED_KEY}"
    if options.tenant or options.tenant_file:
        return None, "a key of a tenant"
    return None, f"not shown outside a terminal: pass --api-key-file or set {SERVED_KEY}"
