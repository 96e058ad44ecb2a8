"""The ``lumnis`` command.

Exit status: 0 success, 1 failure of the service or a run, 2 wrong usage, 130 interrupted by Ctrl-C. When the reader of
the output leaves, as ``head`` does, the command ends silently with 0.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

from lumnisai_integrations._commands import CommandError, OutputClosed
from lumnisai_integrations._commands.parsers import (
    DEBUG,
    EXTRAS,
    SUMMARIES,
    Commands,
    Parser,
    add_arguments,
    examples_text,
    missing,
)

_DESCRIPTION = """\
Lumnis agents from the command line.

With a key, from --api-key or LUMNISAI_API_KEY, runs go to the platform or to the service at --base-url or
LUMNISAI_BASE_URL. Without one, demo, ask and chat start an embedded service, whose offline engine answers with
quotations; serve runs such a service for the other commands and for programs."""

_EXAMPLES = """\
lumnis demo                                        see the main job done
lumnis ask "When is high tide?" tides.md ports.txt  ask about files
lumnis chat                                        hold a conversation
lumnis runs list --status in_progress              list active runs
lumnis serve --port 8787 --path lumnis.db          a Lumnis service of your own
lumnis COMMAND --help                              more about a command"""

_STATUSES = "exit status: 0 success, 1 failure of the service or a run, 2 wrong usage, 130 interrupted by Ctrl-C"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: The arguments after ``lumnis`` on the command line. Default: those of the process.

    Returns:
        The exit status.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    _prepare_streams()
    try:
        try:
            return _run(words)
        finally:
            sys.stdout.flush()
    except (BrokenPipeError, OutputClosed):
        _write_nowhere()
        return 0


def _run(words: Sequence[str]) -> int:
    try:
        options = _parser(words).parse_args(words)
        with _short_warnings():
            status: int = options.command(options)
        return status
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - unexpected errors are shown as briefly as expected ones
        return _failed(error, debug="--debug" in words)


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = Parser(prog="lumnis", description=_DESCRIPTION, epilog=f"{examples_text(_EXAMPLES)}\n\n{_STATUSES}")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    add_arguments(parser, DEBUG)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    # Only the called command is imported, because commands take time to load.
    called = next((word for word in words if not word.startswith("-")), None)
    for name, summary in SUMMARIES.items():
        if name == called:
            _add_command(name, commands)
        else:
            commands.add_parser(name, help=summary)
    return parser


def _add_command(name: str, commands: Commands) -> None:
    try:
        module = import_module(f"lumnisai_integrations._commands.{name}")
    except ImportError as error:
        if name not in EXTRAS:
            raise
        raise missing(name, error.name) from error
    module.add(commands)


class _Version(argparse.Action):
    """Shows the version. Only then is the client imported."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from lumnisai_core import __version__

        print(f"lumnis {__version__}")
        parser.exit()


def _failed(error: Exception, *, debug: bool) -> int:
    from lumnisai_core.display import one_line
    from lumnisai_core.exceptions import LumnisAIError

    if isinstance(error, LumnisAIError | CommandError | ImportError | OSError):
        print(f"lumnis: {one_line(error)}", file=sys.stderr)
    else:
        what = one_line(f"{type(error).__name__}: {error}")
        print(f"lumnis: unexpected error, --debug shows where: {what}", file=sys.stderr)
    if debug:
        traceback.print_exception(error)
    return error.status if isinstance(error, CommandError) else 1


@contextmanager
def _short_warnings() -> Iterator[None]:
    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        print(f"lumnis: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _prepare_streams() -> None:
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # it is closed
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open until the end
    # Characters that the encoding of the terminal lacks, and halves of them in file names, are written as escapes.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _write_nowhere() -> None:
    # The interpreter would complain at exit about output that cannot be written any more.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    sys.exit(main())
