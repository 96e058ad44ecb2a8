"""Argument parsers: commands, and the arguments that they share. Imports nothing that takes time."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any, TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Argument: TypeAlias = tuple[tuple[str, ...], dict[str, Any]]

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


# Types of arguments


def text(word: str) -> str:
    """Accept a text that is not blank and can be sent."""
    if not word.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    try:
        word.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"must be UTF-8 text, got {word!a}") from None
    return word


def json_value(word: str) -> Any:
    """Read JSON: an object or array, or the content of the file of that name."""
    source, content = "it", word
    if not word.lstrip().startswith(("{", "[")):
        source = word
        try:
            content = Path(word).read_text("utf-8-sig")
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise argparse.ArgumentTypeError(f"must be JSON or a readable file, got {word!r}: {why}") from None
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise argparse.ArgumentTypeError(f"{source} is not valid JSON: {error.msg} at {place}") from None


def number(word: str, least: int, most: int) -> int:
    """Read a whole number from ``least`` to ``most``."""
    if not word.isdecimal() or not least <= int(word) <= most:
        raise argparse.ArgumentTypeError(f"must be a number from {least} to {most}, got {word!r}")
    return int(word)


def limit(word: str) -> int | None:
    """Read a number from 1, or None for ``all``."""
    if word == "all":
        return None
    if not word.isdecimal() or not int(word):
        raise argparse.ArgumentTypeError(f"must be a number of at least 1, or all, got {word!r}")
    return int(word)


def seconds(word: str) -> float:
    """Read a number of seconds from 0."""
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of seconds, got {word!r}")
    return value


def timeout(word: str) -> float:
    """Read a number of seconds above 0."""
    value = seconds(word)
    if not value:
        raise argparse.ArgumentTypeError(f"must be positive, got {word!r}")
    return value


def named(word: str, form: str) -> tuple[str, str]:
    """Read ``NAME=VALUE``, divided at the first equals sign.

    Args:
        word: The argument. It is not repeated in errors, as it may hold a key.
        form: How to write it, such as ``NAME=KEY``.
    """
    name, _, value = (part.strip() for part in word.partition("="))
    if not name or not value:
        raise argparse.ArgumentTypeError(f"must have the form {form}")
    return name, value


# Arguments


def argument(*names: str, **settings: Any) -> Argument:
    """Describe an argument as ``add_argument`` of a parser takes it."""
    return names, settings


DEBUG = argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error")
JSON = argument("--json", action="store_true", help="print JSON, as the service sends it")
LIMIT = argument("--limit", type=limit, default=20, metavar="N", help="the most to list, or all (default: %(default)s)")
TIMEOUT = argument(
    "--timeout",
    type=timeout,
    default=600.0,
    metavar="SECONDS",
    help="how long to wait for the end of a run, which continues after that (default: %(default)g)",
)


def add_arguments(parser: argparse._ActionsContainer, *arguments: Argument) -> None:
    """Add arguments to a parser or a group of one."""
    for names, settings in arguments:
        parser.add_argument(*names, **settings)


def add_service_options(parser: argparse.ArgumentParser, *, scope: bool = True, user: str = "lumnis-cli") -> None:
    """Add the options for the service and its user.

    Args:
        parser: The parser of a command or action.
        scope: Whether the command can also work on the whole tenant.
        user: The default user.
    """
    where = "address of the service (default: $LUMNISAI_BASE_URL, then the platform)"
    whose = f"user to work for (default: $LUMNISAI_USER_ID, then {user})"
    group = parser.add_argument_group("service")
    group.add_argument("--api-key", metavar="KEY", type=text, help="key of the service (default: $LUMNISAI_API_KEY)")
    group.add_argument("--base-url", metavar="URL", type=text, help=where)
    group.add_argument("--user-id", metavar="ID", type=text, help=whose)
    if scope:
        scopes, about = ("user", "tenant"), "whose data to work on (default: %(default)s)"
        group.add_argument("--scope", choices=scopes, default="user", help=about)
    parser.set_defaults(default_user=user)


# Commands


def new_command(
    commands: Commands, name: str, *arguments: Argument, examples: str, about: str = "", summary: str = ""
) -> argparse.ArgumentParser:
    """Add a command, or an action of one.

    Args:
        commands: Where to add it.
        name: Its name.
        arguments: Its arguments.
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
    add_arguments(parser, DEBUG, *arguments)
    return parser


def examples_text(examples: str) -> str:
    """Write the examples of a help text."""
    return "examples:\n" + "\n".join(f"  {line}" for line in examples.strip().splitlines())
