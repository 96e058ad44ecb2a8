"""Argument parsers: commands, and the arguments that they share. Imports nothing that takes time."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
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
    "openai": "let clients of OpenAI reach the platform",
}


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


def number(
    kind: type[int] | type[float], least: float, most: float = sys.float_info.max, *, or_all: bool = False
) -> Callable[[str], Any]:
    """Return a function that reads a number from ``least`` to ``most``, and ``all`` as None if that is allowed."""
    span = f"of at least {least:g}" if most == sys.float_info.max else f"from {least:g} to {most:g}"

    def read(word: str) -> float | None:
        if or_all and word == "all":
            return None
        try:
            value = kind(word)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be a number {span}{', or all' * or_all}, got {word!r}")
        return value

    return read


def named(form: str) -> Callable[[str], tuple[str, str]]:
    """Return a function that reads a form such as ``NAME=KEY``, divided at the first equals sign."""

    def read(word: str) -> tuple[str, str]:
        name, _, value = (part.strip() for part in word.partition("="))
        if not name or not value:
            raise argparse.ArgumentTypeError(f"must have the form {form}")  # without the word, which may hold a key
        return name, value

    return read


def argument(*names: str, **settings: Any) -> Argument:
    """Describe an argument as ``add_argument`` of a parser takes it: by default a text, named in capitals."""
    if settings.get("action") != "store_true":
        settings = {"type": text, **settings}
        if settings.get("default"):
            settings["help"] += " (default: %(default)s)"
    if not names[0].startswith("-"):
        settings = {"metavar": names[0].upper(), **settings}
    return names, settings


def flag(name: str, about: str, **settings: Any) -> Argument:
    """Describe an option without a value."""
    return argument(name, action="store_true", help=about, **settings)


DEBUG = flag("--debug", "show the traceback of an error", default=argparse.SUPPRESS)
JSON = flag("--json", "print JSON, as the service sends it")
STREAM = flag("--stream", "also print updates on standard output; with --json a line of JSON each")
QUIET = flag("--quiet", "show nothing but answers")
LIMIT = argument("--limit", type=number(int, 1, or_all=True), default=20, help="the most to list, or all")
TIMEOUT = argument(
    "--timeout",
    type=number(float, 0.001),
    default=600,
    metavar="SECONDS",
    help="how long to wait for the end of a run, which continues after that",
)
SCOPE = argument("--scope", choices=("user", "tenant"), default="user", help="whose data to work on")


def add_arguments(parser: argparse._ActionsContainer, *arguments: Argument) -> None:
    """Add arguments to a parser or a group of one."""
    for names, settings in arguments:
        parser.add_argument(*names, **settings)


def add_service_options(parser: argparse.ArgumentParser, *further: Argument, user: str = "lumnis-cli") -> None:
    """Add the options for the service and its user, of whom ``user`` is the default, and further ones."""
    add_arguments(
        parser.add_argument_group("service"),
        argument("--api-key", metavar="KEY", help="key of the service (default: $LUMNISAI_API_KEY)"),
        argument("--api-key-file", type=Path, metavar="FILE", help="file with that key, for its owner only"),
        argument("--base-url", metavar="URL", help="its address (default: $LUMNISAI_BASE_URL, then the platform)"),
        argument("--user-id", metavar="ID", help=f"user to work for (default: $LUMNISAI_USER_ID, then {user})"),
        *further,
    )
    parser.set_defaults(default_user=user)


def new_command(
    commands: Commands, name: str, *arguments: Argument, examples: str, about: str = "", summary: str = ""
) -> argparse.ArgumentParser:
    """Add a command, or an action of one, with its summary (default: that of :data:`SUMMARIES`) and further text."""
    summary = summary or SUMMARIES[name]
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.\n\n{about}".strip(),
        epilog=examples_text(examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser, DEBUG, *arguments)
    return parser


def examples_text(examples: str) -> str:
    """Write the examples of a help text."""
    return "examples:\n" + "\n".join(f"  {line}" for line in examples.strip().splitlines())
