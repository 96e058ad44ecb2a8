"""Argument parsers: options and types of arguments that commands share. Imports nothing that takes time."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any, TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

#: User of a command without --user-id and LUMNISAI_USER_ID.
DEFAULT_USER = "lumnis-cli"

#: The commands in the order of the help.
SUMMARIES = {
    "demo": "show the main job: chains, threads, structured output, questions about files",
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
        name: Its name.
        examples: Lines that show how it is used.
        about: Further text of its help.
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


def new_actions(commands: Commands, name: str, *, examples: str) -> Commands:
    """Add a command that has actions, such as ``lumnis runs list``; return where to add them."""
    return new_command(commands, name, examples=examples).add_subparsers(
        title="actions", required=True, metavar="ACTION"
    )


def examples_text(examples: str) -> str:
    """Write the examples of a help text."""
    return "examples:\n" + "\n".join(f"  {line}" for line in examples.strip().splitlines())


def add_debug_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--debug``, which may stand before or after the name of a command."""
    parser.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
    )


def add_service_options(parser: argparse.ArgumentParser, *, scope: bool = True, user: str = DEFAULT_USER) -> None:
    """Add the options for the service and its user.

    Args:
        parser: The parser of a command or action.
        scope: Whether the command can also work on the whole tenant.
        user: The default user.
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
        "--user-id", metavar="ID", type=text, help=f"user to work for (default: $LUMNISAI_USER_ID, then {user})"
    )
    if scope:
        group.add_argument(
            "--scope",
            choices=("user", "tenant"),
            default="user",
            help="whose data to work on (default: %(default)s)",
        )
    parser.set_defaults(default_user=user)


def add_json_option(parser: argparse.ArgumentParser, about: str = "print JSON, as the service sends it") -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help=about)


def add_limit_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--limit``, a number from 1 or ``all``."""
    parser.add_argument(
        "--limit", type=limit, default=20, metavar="N", help="the most to list, or all (default: %(default)s)"
    )


def add_timeout_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--timeout`` to a command that waits for a run."""
    parser.add_argument(
        "--timeout",
        type=timeout,
        default=600.0,
        metavar="SECONDS",
        help="how long to wait for the end of a run, which continues after that (default: %(default)g)",
    )


# Types of arguments


def text(argument: str) -> str:
    """Accept a text that is not blank and can be sent."""
    if not argument.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    try:
        argument.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"must be UTF-8 text, got {argument!a}") from None
    return argument


def json_value(argument: str) -> Any:
    """Read JSON: an object or array, or the content of the file of that name."""
    if argument.lstrip().startswith(("{", "[")):
        source, content = "it", argument
    else:
        source = argument
        try:
            content = Path(argument).read_text("utf-8-sig")
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise argparse.ArgumentTypeError(f"must be JSON or a readable file, got {argument!r}: {why}") from None
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise argparse.ArgumentTypeError(f"{source} is not valid JSON: {error.msg} at {place}") from None


def number(argument: str, least: int, most: int) -> int:
    """Read a whole number from ``least`` to ``most``."""
    if not argument.isdecimal() or not least <= int(argument) <= most:
        raise argparse.ArgumentTypeError(f"must be a number from {least} to {most}, got {argument!r}")
    return int(argument)


def limit(argument: str) -> int | None:
    """Read a number from 1, or None for ``all``."""
    if argument == "all":
        return None
    if not argument.isdecimal() or not int(argument):
        raise argparse.ArgumentTypeError(f"must be a number of at least 1, or all, got {argument!r}")
    return int(argument)


def seconds(argument: str) -> float:
    """Read a number of seconds from 0."""
    try:
        value = float(argument)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of seconds, got {argument!r}")
    return value


def timeout(argument: str) -> float:
    """Read a number of seconds above 0."""
    value = seconds(argument)
    if not value:
        raise argparse.ArgumentTypeError(f"must be positive, got {argument!r}")
    return value


def named(argument: str, form: str) -> tuple[str, str]:
    """Read ``NAME=VALUE``, divided at the first equals sign.

    Args:
        argument: What the user wrote. It is not repeated in errors, as it may hold a key.
        form: How to write it, such as ``NAME=KEY``.
    """
    name, _, value = (part.strip() for part in argument.partition("="))
    if not name or not value:
        raise argparse.ArgumentTypeError(f"must have the form {form}")
    return name, value
