"""What commands raise for the user to read."""

from __future__ import annotations


class CommandError(Exception):
    """A command cannot do its work; the text says why and is shown without a traceback."""

    status = 1


class UsageError(CommandError):
    """A command was called in a way that cannot work."""

    status = 2


class ReaderLeft(BaseException):
    """Whoever reads the output of the command has gone. No error of the run that is under way, so no ``Exception``."""
