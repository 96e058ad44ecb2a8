"""What the argument parsers of the commands have in common. Imports nothing that takes time."""

from __future__ import annotations

import argparse
import math
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

#: User of the commands that are given none.
DEFAULT_USER = "lumnis-cli"

#: The commands in the order in which the help shows them.
SUMMARIES = {
    "demo": "show the main job: chains, threads, structured output, questions to files",
    "ask": "ask a question, about text files if some are named",
    "chat": "hold a conversation",
    "threads": "list, show, rename and delete conversations",
    "runs": "list, show, follow, cancel and advise runs",
    "files": "upload, list, search, show, download and delete files",
    "serve": "run the embedded service in the foreground",
}


def new_command(
    commands: Commands, name: str, *, examples: str, about: str = "", summary: str = ""
) -> argparse.ArgumentParser:
    """Add a command, or an action of one.

    Args:
        commands: Where to add it.
        name: What it is called.
        examples: Lines that show how it is used.
        about: What else its help says.
        summary: What it does. Default: its line in :data:`SUMMARIES`.
    """
    summary = summary or SUMMARIES[name]
    description = f"{summary[0].upper()}{summary[1:]}."
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{description}\n\n{about}" if about else description,
        epilog=examples_text(examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_debug_option(parser)
    return parser


def examples_text(examples: str) -> str:
    """Write the examples of a help text."""
    return "examples:\n" + "\n".join(f"  {line}" for line in examples.strip().splitlines())


def add_debug_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--debug``, which may stand before and after the name of a command."""
    parser.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
    )


def add_service_options(parser: argparse.ArgumentParser, *, scope: bool = True, user: str = DEFAULT_USER) -> None:
    """Add what says where the service is and for whom it works.

    Args:
        parser: The parser of a command or action.
        scope: Whether the command can also work on the whole tenant.
        user: User where none is given.
    """
    group = parser.add_argument_group("service")
    group.add_argument("--api-key", metavar="KEY", type=text, help="key of the service (default: $LUMNISAI_API_KEY)")
    group.add_argument(
        "--base-url",
        metavar="URL",
        type=text,
        help="address of the service (default: $LUMNISAI_BASE_URL, then the platform)",
    )
    group.add_argument(
        "--user-id", metavar="ID", type=text, help=f"user it is for (default: $LUMNISAI_USER_ID, then {user})"
    )
    if scope:
        group.add_argument(
            "--scope",
            choices=("user", "tenant"),
            default="user",
            help="whose data to work on (default: %(default)s)",
        )
    parser.set_defaults(default_user=user)


def add_json_option(parser: argparse.ArgumentParser, what: str = "print JSON, as the service sends it") -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help=what)


def add_limit_option(parser: argparse.ArgumentParser, default: int = 20) -> None:
    """Add ``--limit``, which is a number from 1 or ``all``."""
    parser.add_argument(
        "--limit", type=limit, default=default, metavar="N", help="most to list, or all (default: %(default)s)"
    )


def add_timeout_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--timeout`` for those who wait for a run."""
    parser.add_argument(
        "--timeout",
        type=seconds_of_waiting,
        default=600.0,
        metavar="SECONDS",
        help="how long to wait for the end of a run, which goes on after that (default: %(default)g)",
    )


# Types of arguments


def text(given: str) -> str:
    """Accept a text that is not blank and can be sent."""
    if not given.strip():
        raise argparse.ArgumentTypeError("the text is empty")
    try:
        given.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{given!a} is not UTF-8 text") from None
    return given


def limit(given: str) -> int | None:
    """Read a number from 1, or None for ``all``."""
    if given == "all":
        return None
    if not given.isdecimal() or not int(given):
        raise argparse.ArgumentTypeError(f"{given!r} is no limit: use a number from 1, or all")
    return int(given)


def seconds(given: str) -> float:
    """Read a number of seconds from 0."""
    try:
        number = float(given)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{given!r} is no number of seconds")
    return number


def seconds_of_waiting(given: str) -> float:
    """Read a number of seconds above 0."""
    number = seconds(given)
    if not number:
        raise argparse.ArgumentTypeError(f"{given!r} is no time to wait: use a number of seconds above 0")
    return number
