"""The ``lumnis`` command.

Exit status: 0 success, 1 failure of the service or a run, 2 wrong usage, 130 interrupted by Ctrl-C. When whoever reads
the output leaves, as ``head`` does, the command ends with 0 and without a word.
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

from lumnisai_integrations._commands.errors import CommandError, ReaderLeft
from lumnisai_integrations._commands.parsers import SUMMARIES, add_debug_option, examples_text

_DESCRIPTION = """\
Lumnis agents from the command line.

With a key, from --api-key or LUMNISAI_API_KEY, runs go to the platform or to the service at --base-url or
LUMNISAI_BASE_URL. Without one, demo, ask and chat bring an embedded service, whose offline engine quotes what it is
given; serve runs such a service for the other commands and for programs."""

_EXAMPLES = """\
lumnis demo                                        see the main job done
lumnis ask "When is high tide?" tides.md ports.txt  ask about files
lumnis chat                                        hold a conversation
lumnis runs list --status in_progress              what agents are doing
lumnis serve --port 8787 --path lumnis.db          a Lumnis service of your own
lumnis COMMAND --help                              more about a command"""

_STATUSES = "exit status: 0 success, 1 failure of the service or a run, 2 wrong usage, 130 interrupted by Ctrl-C"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: What follows ``lumnis`` on the command line. Default: that of the process.

    Returns:
        The exit status.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    _prepare_streams()
    try:
        try:
            return _run(given)
        finally:
            sys.stdout.flush()
    except (BrokenPipeError, ReaderLeft):
        _write_nowhere()
        return 0


def _run(given: Sequence[str]) -> int:
    try:
        options = _parser(given).parse_args(given)
        with _short_warnings():
            status: int = options.run(options)
        return status
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - a mistake of ours is shown as shortly as those of others
        return _failed(error, debug="--debug" in given)


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    from_start = argparse.ArgumentParser(
        prog="lumnis",
        description=_DESCRIPTION,
        epilog=f"{examples_text(_EXAMPLES)}\n\n{_STATUSES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    from_start.add_argument("--version", action=_Version, nargs=0, help="show the version and leave")
    add_debug_option(from_start)
    commands = from_start.add_subparsers(title="commands", required=True, metavar="COMMAND")
    # Only the command that is called is imported, because what stands behind them takes time to load.
    called = next((word for word in given if not word.startswith("-")), None)
    for name, summary in SUMMARIES.items():
        if name == called:
            import_module(f"lumnisai_integrations._commands.{name}").add(commands)
        else:
            commands.add_parser(name, help=summary)
    return from_start


class _Version(argparse.Action):
    """Shows the version, for which the client has to be imported."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from lumnisai_core import __version__

        print(f"lumnis {__version__}")
        parser.exit()


def _failed(error: Exception, *, debug: bool) -> int:
    from lumnisai_core.exceptions import LumnisAIError
    from lumnisai_integrations._shared.progress import one_line

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
    # What the encoding of the terminal lacks, and halves of characters in file names, are written as escapes.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _write_nowhere() -> None:
    # The interpreter would complain at exit about what cannot be written any more.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    sys.exit(main())
