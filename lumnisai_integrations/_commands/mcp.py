"""``lumnis mcp``: agents as tools of MCP clients."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import cast

from lumnisai_core import AsyncClient, RunParameters
from lumnisai_core.exceptions import ConfigurationError
from lumnisai_integrations._commands import UsageError
from lumnisai_integrations._commands.connection import Connection, connection
from lumnisai_integrations._commands.keys import key_of
from lumnisai_integrations._commands.parsers import (
    MODEL,
    SCOPE,
    USER_FILES,
    Commands,
    add_service_options,
    argument,
    flag,
    new_command,
    number,
    run_choices,
)
from lumnisai_integrations.mcp import mcp_server, serve_http, serve_stdio

_ABOUT = """\
Over standard input and output, which is how desktop apps and editors start it, or with --http by streamable HTTP. The
tools are ask, wait, status and cancel; the user's files are resources. Runs go where those of lumnis ask go: without a
key, to an embedded service that ends with the command."""

_EXAMPLES = """\
lumnis mcp                     for the configuration of a client
lumnis mcp --model openai:gpt-4o --user-files
lumnis mcp --http              at http://127.0.0.1:8788/mcp
lumnis mcp --http --host 0.0.0.0 --key-file mcp.key"""

#: Variable with the key that HTTP clients must send.
KEY = "LUMNISAI_MCP_KEY"

_ARGUMENTS = (
    MODEL,
    USER_FILES,
    argument(
        "--answer-within",
        type=number(float, 0.1, 3600),
        default=50.0,
        metavar="SECONDS",
        help="how long ask and wait take at most; a longer run continues, and its result says to call wait",
    ),
    flag("--http", "serve by streamable HTTP instead"),
    argument("--host", default="127.0.0.1", help="address to listen on, with --http; another machine needs a key"),
    argument("--port", type=number(int, 0, 65535), default=8788, help="with --http; 0 picks a free one"),
    argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="file with the key that clients must send with --http, for its owner only; made with a fresh key if it is "
        f"missing (default: ${KEY}, else no key)",
    ),
)


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = new_command(commands, "mcp", *_ARGUMENTS, about=_ABOUT, examples=_EXAMPLES)
    add_service_options(parser, SCOPE, user="lumnis-mcp")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Serve until the client leaves, Ctrl-C or SIGTERM."""
    key = None
    if options.http:
        key = os.environ.get(KEY, "").strip() or None
        if options.key_file is not None:
            key = key_of(options.key_file, make=True)
    elif options.key_file is not None:
        raise UsageError("--key-file is for HTTP: add --http")
    with connection(options, embedded=True) as service:
        _note(f"Runs go to {service.description}.")
        try:
            asyncio.run(_serve(options, service, key))
        except ConfigurationError as error:
            raise UsageError(str(error)) from error
    return 0


async def _serve(options: argparse.Namespace, service: Connection, key: str | None) -> None:
    async with AsyncClient(**service.settings) as client:
        parameters = cast("RunParameters", run_choices(options))
        server = mcp_server(client, answer_within=options.answer_within, parameters=parameters)
        if not options.http:
            await serve_stdio(server)
            return

        def ready(url: str) -> None:
            needed = "Clients must send the key as Authorization: Bearer KEY. " if key else ""
            _note(f"The MCP server is listening at {url}. {needed}Stop with Ctrl-C.")

        await serve_http(server, host=options.host, port=options.port, key=key, ready=ready)


def _note(text: str) -> None:
    # Standard output belongs to the protocol.
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
