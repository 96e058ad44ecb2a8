"""Progress of a run in a command: how it is shown, and how to resume a run that was not followed to its end."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeAlias

from pydantic_core import to_jsonable_python

from lumnisai_core import ResponseObject, RunUpdate
from lumnisai_core.exceptions import LumnisAIError, RunCancelledError, RunFailedError, RunTimeoutError
from lumnisai_integrations._commands import CommandError, OutputClosed
from lumnisai_integrations._commands.output import Screen, print_json, write
from lumnisai_integrations._shared.display import ProgressDisplay

Listener: TypeAlias = Callable[[RunUpdate], object]


def display_on(screen: Screen) -> ProgressDisplay:
    """Return a listener, and context manager, that shows runs live where that is possible, else as notes."""
    return ProgressDisplay("auto" if screen.can_draw else screen.note)


def print_update(update: RunUpdate, *, as_json: bool) -> None:
    """Print an update on standard output: as lines, or as one line of JSON."""
    if as_json:
        print_json(to_jsonable_python(update), indent=None)
    else:
        for line in update.as_lines():
            write(line)


def print_result(run: ResponseObject, options: argparse.Namespace, screen: Screen) -> None:
    """Print the whole run with ``--json``, else its object if it made one, else its answer."""
    if options.json:
        if not options.stream:  # else the last update held it
            print_json(run.json())
    elif run.structured_response is not None:
        print_json(run.structured_response)
    else:
        screen.answer(run.output_text or "")


@dataclass
class Follower:
    """A listener that passes updates on and remembers the last one."""

    show: Listener
    last: RunUpdate | None = None

    def __call__(self, update: RunUpdate) -> None:
        """Pass an update on."""
        self.last = update
        try:
            self.show(update)
        except BrokenPipeError as error:
            raise OutputClosed from error


@contextmanager
def following(options: argparse.Namespace, screen: Screen, *, service_stays: bool = True) -> Iterator[Follower]:
    """Show a run in the block as the options require; where that ends too early, the error says how to resume.

    Resuming is possible only if the service outlives the command.
    """

    def streamed(update: RunUpdate) -> None:
        print_update(update, as_json=options.json)

    with nullcontext(streamed) if options.stream else display_on(screen) as show:
        follower = Follower(show)
        try:
            yield follower
        except (RunFailedError, RunCancelledError):
            raise
        except LumnisAIError as error:
            if follower.last is None or not service_stays:
                raise
            run = follower.last.response_id
            what = f"Run {run} is not over yet." if isinstance(error, RunTimeoutError) else str(error)
            raise CommandError(f"{what} It continues on the service: lumnis runs follow {run}") from error
