"""The ``lumnis`` command: ``lumnis demo``, ``lumnis ask``, ``lumnis serve``.

Exit status: 0 success, 1 failure with a message, 2 wrong usage, 130 interrupted by Ctrl-C.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lumnisai_core import __version__
from lumnisai_core.exceptions import LumnisAIError
from lumnisai_integrations._commands.errors import CommandError

if TYPE_CHECKING:
    from lumnisai_core.local import Fault

_DESCRIPTION = """\
Lumnis agents from the command line.

With LUMNISAI_API_KEY set, runs go to the platform; without it, to an embedded service on this machine, whose offline
engine quotes what it is given."""

_EXAMPLES = """\
examples:
  lumnis demo                                        see the main job done
  lumnis ask "When is high tide?" tides.md ports.txt  ask about files
  lumnis ask "What is a neap tide?"                  ask without files
  lumnis serve --port 8787 --path lumnis.db          a Lumnis service of your own"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: What follows ``lumnis`` on the command line. Default: that of the process.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not complain about that at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (LumnisAIError, CommandError, ImportError, OSError) as error:
        print(f"lumnis: {error}", file=sys.stderr)
        for note in getattr(error, "__notes__", ()):
            print(note, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lumnis",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lumnis {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="show the main job: chains, threads, structured output, questions to files")
    demo.add_argument("--user-id", default="lumnis-demo", help="user the runs are for (default: %(default)s)")
    demo.set_defaults(command=_demo)

    ask = commands.add_parser("ask", help="ask a question, about text files if some are named")
    ask.add_argument("question", metavar="QUESTION", help="what you want to know")
    ask.add_argument("files", metavar="FILE", nargs="*", type=Path, help="text files that hold the answer")
    ask.add_argument("--user-id", default="lumnis-cli", help="user the run is for (default: %(default)s)")
    ask.add_argument("--quiet", action="store_true", help="show no progress")
    ask.set_defaults(command=_ask)

    serve = commands.add_parser("serve", help="run the embedded service in the foreground")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=_port, default=8787, help="port; 0 picks a free one (default: %(default)s)")
    serve.add_argument("--path", type=Path, help="database file that outlives the service (default: a temporary one)")
    serve.add_argument("--api-key", help="key that clients must send (default: a fresh one, which is printed)")
    serve.add_argument(
        "--tenant",
        type=_tenant,
        action="append",
        default=[],
        metavar="NAME=KEY",
        help="a tenant by name and a key of it; repeat it for more tenants, and for more keys of one",
    )
    serve.add_argument(
        "--key-expires",
        type=_key_expiry,
        action="append",
        default=[],
        metavar="KEY=DATE",
        help="when a key of --api-key or --tenant expires, as an ISO 8601 date (UTC without a zone); repeatable",
    )
    serve.add_argument(
        "--engine",
        default="offline",
        metavar="ENGINE",
        help="what answers runs: offline, a script file (.json, .yaml), module:attribute, or a chat model as "
        "provider:model, such as openai:gpt-4o (default: %(default)s)",
    )
    serve.add_argument(
        "--agent",
        type=_agent,
        action="append",
        default=[],
        metavar="NAME=ENGINE",
        help="what answers the runs of a specialized agent, as for --engine; repeat it for more agents",
    )
    serve.add_argument(
        "--step-delay",
        type=_seconds,
        default=0.02,
        metavar="SECONDS",
        help="pause between the steps of the offline engine (default: %(default)s)",
    )
    serve.add_argument(
        "--poll",
        choices=("end-only", "on-change"),
        default="end-only",
        help="when a held poll is answered: at the end of the run, or on any news (default: %(default)s)",
    )
    serve.add_argument(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="FIELD=VALUE,...",
        help='what is to go wrong, by the fields of Fault, such as "status=503,route=POST /v1/responses,times=2"; '
        "repeat it for more faults",
    )
    serve.set_defaults(command=_serve)
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: use 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds


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
    from lumnisai_integrations._commands.faults import fault_from

    try:
        return fault_from(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


# Commands are imported when they run, because the frameworks behind them take a second to load.


def _demo(options: argparse.Namespace) -> int:
    from lumnisai_integrations._commands.demo import demo

    return demo(user_id=options.user_id)


def _ask(options: argparse.Namespace) -> int:
    from lumnisai_integrations._commands.ask import ask

    return ask(options.question, options.files, user_id=options.user_id, quiet=options.quiet)


def _serve(options: argparse.Namespace) -> int:
    from lumnisai_integrations._commands.serve import serve

    return serve(
        host=options.host,
        port=options.port,
        path=options.path,
        api_key=options.api_key,
        poll=options.poll,
        engine=options.engine,
        step_delay=options.step_delay,
        tenants=options.tenant,
        agents=options.agent,
        key_expiry=options.key_expires,
        faults=options.fault,
    )


if __name__ == "__main__":
    sys.exit(main())
