"""Commands of ``lumnis``, one file each, and the errors that end them."""

from __future__ import annotations


class CommandError(Exception):
    """A command failed; the text says why and is shown without a traceback."""

    status = 1


class UsageError(CommandError):
    """A command was used in a way that cannot work."""

    status = 2


class OutputClosed(BaseException):
    """The reader of the output has gone. Not an ``Exception``: it must end the run, whose listener raises it."""
