"""The same action on several things: one that fails does not keep the others from being done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TypeVar

from lumnisai_core.exceptions import AuthenticationError, FileAccessDeniedError, LumnisAIError, TransportError
from lumnisai_integrations._commands.errors import CommandError
from lumnisai_integrations._commands.output import row_text, write
from lumnisai_integrations._shared.progress import one_line

T = TypeVar("T")


def for_each(things: Iterable[T], act: Callable[[T], object], *, done: str) -> int:
    """Do something with each thing and print what became of it.

    Args:
        things: What to work on.
        act: What to do with one of them. A text that it returns is printed instead of ``done``.
        done: What to print of those that worked.

    Returns:
        0 if all worked, else 1.

    Raises:
        AuthenticationError: The key is refused, so that nothing can work.
        TransportError: The service cannot be reached.
    """
    status = 0
    for thing in things:
        try:
            made = act(thing)
        except (LumnisAIError, CommandError) as error:
            if isinstance(error, TransportError | AuthenticationError) and not isinstance(error, FileAccessDeniedError):
                raise
            sys.stderr.write(f"lumnis: {thing}: {one_line(error)}\n")
            status = 1
        else:
            write(row_text((str(thing), made if isinstance(made, str) else done)))
    return status
