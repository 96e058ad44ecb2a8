"""Argument parsers: commands, and the arguments that they share. Imports nothing that takes time."""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[Any]"  # of parsers of any class
Argument: TypeAlias = tuple[tuple[str, ...], dict[str, Any]]

#: The commands in the order of the help.
SUMMARIES = {
    "demo": "show one case on all four platforms: an agent, a guard, files, a record, a trace",
    "ask": "ask a question, about files if some are named",
    "chat": "hold a conversation",
    "threads": "list, show, rename and delete conversations",
    "runs": "list, show, follow, cancel and advise runs",
    "files": "upload, list, search, show, download and delete files",
    "experiment": "compare prompts, functions and agents over a data set, with thresholds for CI",
    "serve": "run the embedded service in the foreground",
    "mcp": "let desktop apps, editors and other agents call Lumnis agents by MCP",
    "completion": "print a script that lets a shell complete commands and options",
    "openai": "let clients of OpenAI reach the platform",
}

#: Extras of the package without which a command cannot run.
EXTRAS = {"demo": "langchain,llama-index,local,lucidic", "serve": "local", "mcp": "mcp", "completion": "cli"}


def missing(command: str, package: str | None) -> ImportError:
    """Return the error of a command that needs a package which is not installed: it names the extra."""
    hint = f'lumnis {command} needs {package}: pip install "lumnisai-integrations[{EXTRAS[command]}]"'
    return ImportError(hint, name=package)


class Parser(argparse.ArgumentParser):
    """A parser whose options may stand anywhere among the other arguments, and whose help wraps at words."""

    _is_within = False

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **{"formatter_class": HelpFormatter, **settings})

    def parse_known_args(  # type: ignore[override] # the overloads of the base class are for other namespaces
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse arguments, options among them; a parser of commands leaves that to the parsers of these."""
        words = sys.argv[1:] if args is None else args
        # What follows two dashes is never an option, which intermixed parsing forgets.
        if self._is_within or self._subparsers is not None or "--" in words:
            return super().parse_known_args(args, namespace)
        self._is_within = True  # parsing of this kind calls this method
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_within = False


class HelpFormatter(argparse.HelpFormatter):
    """Wraps paragraphs at words; indented lines, which are examples, stay lines of their own."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_long_words=False, break_on_hyphens=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = re.split(r"\n\s*\n|\n(?=  )|(?<=:)\n", text)
        ends = re.findall(r"\n\s*\n|\n(?=  )|(?<=:)\n", text)
        filled = [_filled(paragraph, width) for paragraph in paragraphs]
        breaks = ["\n\n" if "\n" in end[1:] else "\n" for end in ends]
        whole = "".join(part + end for part, end in zip(filled, [*breaks, ""], strict=True))
        return textwrap.indent(whole, indent)


def _filled(paragraph: str, width: int) -> str:
    """Wrap a paragraph, or an example whose remark moves to a line of its own if it is too long."""
    if len(paragraph) <= width and "\n" not in paragraph:
        return paragraph

    def wrapped(text: str, first: str, later: str) -> str:
        return textwrap.fill(
            " ".join(text.split()),
            width,
            initial_indent=first,
            subsequent_indent=later,
            break_long_words=False,
            break_on_hyphens=False,
        )

    if not paragraph.startswith("  "):
        return wrapped(paragraph, "", "")
    example, *remarks = re.split(r" {2,}", paragraph.strip(), maxsplit=1)
    return "\n".join([wrapped(example, "  ", "      "), *(wrapped(remark, "      ", "      ") for remark in remarks)])


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
    """Describe an argument as ``add_argument`` of a parser takes it: by default a text, named in capitals.

    The choices of one with a ``metavar`` are listed in its help.
    """
    if "choices" in settings and "metavar" in settings:
        settings["help"] += f": {', '.join(settings['choices'])}"
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


def _model(word: str) -> str:
    if not all(word.partition(":")):
        raise argparse.ArgumentTypeError(f"must be written provider:model, such as openai:gpt-4o, got {word!r}")
    return word


MODEL = argument("--model", type=_model, metavar="PROVIDER:MODEL", help="the model that the agent uses")
USER_FILES = flag("--user-files", "let the agent search the files that the user has uploaded")


def run_choices(
    options: argparse.Namespace,
    *,
    overrides: Mapping[str, Any] | None = None,
    options_of_run: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the run parameters that ``--model`` and ``--user-files`` set, within other choices of the same kind."""
    chosen: dict[str, Any] = {}
    if options.model is not None:
        chosen["model_overrides"] = {**(overrides or {}), "smart_model": options.model}
    if options.user_files:
        chosen["options"] = {**(options_of_run or {}), "use_files": True}
    return chosen


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
    )
    add_arguments(parser, DEBUG, *arguments)
    return parser


def examples_text(examples: str) -> str:
    """Write the examples of a help text."""
    return "examples:\n" + "\n".join(f"  {line}" for line in examples.strip().splitlines())
