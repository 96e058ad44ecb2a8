"""Following a run from a command: what is shown of it, and what is said when it cannot be followed to its end."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from pydantic_core import to_jsonable_python

from lumnisai_core import RunUpdate
from lumnisai_core.exceptions import LumnisAIError, RunCancelledError, RunFailedError, RunTimeoutError
from lumnisai_integrations._commands.errors import CommandError, ReaderLeft
from lumnisai_integrations._commands.output import Screen, print_json, write
from lumnisai_integrations._shared.display import ProgressDisplay
from lumnisai_integrations._shared.progress import ProgressNews, progress_lines

Listener: TypeAlias = Callable[[RunUpdate], None]


@contextmanager
def shown_progress(screen: Screen) -> Generator[Listener]:
    """Show the news of one run in the block: live where that is possible, else as notes."""
    key = object()
    with ProgressDisplay("auto" if screen.can_draw else screen.note) as display:

        def tell(update: RunUpdate) -> None:
            display.begin(key)
            display.accept(key, ProgressNews.of_update(update))
            if update.is_last:
                display.end(key)

        try:
            yield tell
        except KeyboardInterrupt:
            display.end(key, "cancelled")
            raise


@contextmanager
def listening(options: argparse.Namespace, screen: Screen) -> Iterator[Listener]:
    """Offer what takes the news of one run, as ``--stream`` and ``--json`` say."""
    if options.stream:
        yield print_update_as_json if options.json else print_update
        return
    with shown_progress(screen) as show:
        yield show


def print_update(update: RunUpdate) -> None:
    """Print an update as lines on standard output."""
    for line in progress_lines(ProgressNews.of_update(update)):
        write(line)


def print_update_as_json(update: RunUpdate) -> None:
    """Print an update as one line of JSON on standard output."""
    print_json(to_jsonable_python(update), indent=None)


class Followed:
    """Hands on the news of a run and remembers which run it is.

    Args:
        hand_on: Takes each update.
    """

    def __init__(self, hand_on: Listener) -> None:
        self._hand_on = hand_on
        self.last: RunUpdate | None = None

    def __call__(self, update: RunUpdate) -> None:
        self.last = update
        try:
            self._hand_on(update)
        except BrokenPipeError as error:
            raise ReaderLeft from error


@contextmanager
def followed(hand_on: Listener, *, goes_on: bool = True) -> Iterator[Followed]:
    """Follow a run in the block; where that ends too early, say how to pick the run up again.

    Args:
        hand_on: Takes each update.
        goes_on: Whether the service outlives the command.

    Raises:
        CommandError: The run takes too long, or the service cannot be reached any more.
        LumnisAIError: Anything else that went wrong.
    """
    made = Followed(hand_on)
    try:
        yield made
    except (RunFailedError, RunCancelledError):
        raise
    except LumnisAIError as error:
        if made.last is None or not goes_on:
            raise
        run = made.last.response_id
        what = f"Run {run} is not over yet." if isinstance(error, RunTimeoutError) else str(error)
        raise CommandError(f"{what} It goes on at the service: lumnis runs follow {run}") from error
