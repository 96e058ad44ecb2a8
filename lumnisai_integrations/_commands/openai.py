"""``lumnis openai``: a proxy that speaks OpenAI's protocol in front of the platform."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lumnisai_core import AsyncClient, Scope
from lumnisai_core.exceptions import AuthenticationError, LumnisAIError, RunError, ValidationError
from lumnisai_core.local import ApiError, OpenAIProxy
from lumnisai_integrations._commands import CommandError
from lumnisai_integrations._commands.connection import connection
from lumnisai_integrations._commands.keys import SERVED_KEY, key_of
from lumnisai_integrations._commands.output import write
from lumnisai_integrations._commands.parsers import Commands, add_service_options, argument, new_command, number

_ABOUT = """\
Clients of OpenAI reach the agents of the platform through it: chat completions and Responses. Runs are made with the
key of --api-key, --api-key-file or LUMNISAI_API_KEY. Clients send another key: that of --client-key-file or
LUMNISAI_SERVE_API_KEY, else a fresh one, which is shown on a terminal only. It serves until Ctrl-C or SIGTERM."""

_EXAMPLES = """\
lumnis openai
lumnis openai --port 8788 --client-key-file client.key   keep the key of clients
lumnis openai --agent people_search                      an agent as a model"""

_READY = """\
Clients of OpenAI reach {service} at
  export OPENAI_BASE_URL={base_url}
  {key}
Models: {models}. Stop with Ctrl-C.
"""

_ARGUMENTS = (
    argument("--host", type=str, default="127.0.0.1", help="address to listen on"),
    argument("--port", type=number(int, 0, 65535), default=8788, help="0 picks a free one"),
    argument("--public-url", metavar="URL", help="address under which clients reach it through another proxy"),
    argument(
        "--client-key-file",
        type=Path,
        metavar="FILE",
        help="file with the key that clients must send, for its owner only; made with a fresh key if it is missing",
    ),
    argument(
        "--agent",
        action="append",
        default=[],
        metavar="NAME",
        help="a specialized agent that clients can choose as a model; repeat it for more agents",
    ),
)


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = new_command(commands, "openai", *_ARGUMENTS, about=_ABOUT, examples=_EXAMPLES)
    add_service_options(parser, user="the view of the whole tenant")
    parser.set_defaults(command=run, default_user=None)


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    own = None if options.client_key_file is None else key_of(options.client_key_file, make=True)
    own = own or os.environ.get(SERVED_KEY, "").strip() or None
    with connection(options) as service:

        def ready(base_url: str, key: str) -> None:
            if options.client_key_file is not None:
                shown = f"OPENAI_API_KEY is in {options.client_key_file}"
            elif own is not None:
                shown = f"OPENAI_API_KEY is that of {SERVED_KEY}"
            elif sys.stdout.isatty():
                shown = f"export OPENAI_API_KEY={key}"
            else:
                shown = f"OPENAI_API_KEY is not shown outside a terminal: pass --client-key-file or set {SERVED_KEY}"
            models = ", ".join(["lumnis", *options.agent, "provider:model"])
            write(_READY.format(service=service.description, base_url=base_url, key=shown, models=models))

        settings = service.settings
        scope = Scope.TENANT if settings["user_id"] is None else Scope.USER
        client = AsyncClient(
            settings["api_key"], base_url=settings["base_url"], user_id=settings["user_id"], scope=scope
        )
        try:
            proxy = OpenAIProxy(
                PlatformRuns(client),
                host=options.host,
                port=options.port,
                api_key=own,
                agents=options.agent,
                public_url=options.public_url,
            )
        except ValueError as error:
            raise CommandError(str(error)) from error
        proxy.serve_forever(ready)
    return 0


class PlatformRuns:
    """The runs of the platform, by a client: the backend of the proxy."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def start(self, run: dict[str, Any], key: str | None, digest: str) -> dict[str, Any]:
        """Create a run."""
        del digest  # the platform gives a repeated key the first run
        fields = dict(run)
        messages, user = fields.pop("messages"), fields.pop("user_id", None)
        if user is not None:
            fields |= {"user_id": user, "scope": Scope.USER}
        with _refusals():
            return (await self._client.responses.create(messages, idempotency_key=key, **fields)).json()

    async def get(self, run_id: str, user: str | None = None) -> dict[str, Any]:
        """Return a run."""
        del user  # the platform reads runs by their ids alone
        with _refusals():
            return (await self._client.responses.get(run_id)).json()

    async def follow(self, run_id: str) -> AsyncGenerator[dict[str, Any], None]:
        """Yield a run after each of its changes."""
        stream = self._client.responses.following(run_id, run_timeout=None, cancel_on_interrupt=False)
        with _refusals(), suppress(RunError):  # its state tells how it ended
            async with stream:
                async for _ in stream:
                    if stream.response is not None:
                        yield stream.response.json()

    async def cancel(self, run_id: str) -> None:
        """Stop a run."""
        with _refusals():
            await self._client.responses.cancel(run_id)

    async def turns(self, thread_id: str, user: str | None = None) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the runs of a thread, newest first."""
        del user  # the platform reads threads by their ids alone
        with _refusals():
            async for run in self._client.threads.iter_responses(thread_id, page_size=20):
                yield run.json()

    async def make_thread(self) -> dict[str, Any]:
        """Make an empty thread."""
        with _refusals():
            return (await self._client.threads.create()).json()

    async def thread(self, thread_id: str) -> dict[str, Any]:
        """Return a thread."""
        with _refusals():
            return (await self._client.threads.get(thread_id)).json()

    async def delete_thread(self, thread_id: str) -> None:
        """Delete a thread."""
        with _refusals():
            await self._client.threads.delete(thread_id)


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn errors of the client into refusals for clients of the proxy; they must not see the platform's key."""
    try:
        yield
    except RunError:
        raise
    except AuthenticationError as error:
        text = "The platform refuses the key of this proxy."
        raise ApiError(502, "PLATFORM_KEY_REFUSED", text) from error
    except LumnisAIError as error:
        status = error.status_code or (400 if isinstance(error, ValidationError) else 502)
        raise ApiError(status, error.code or "PLATFORM_ERROR", error.message) from error
