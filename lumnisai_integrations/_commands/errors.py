"""What commands raise for the user to read."""

from __future__ import annotations


class CommandError(Exception):
    """A command cannot do its work; the text says why and is shown without a traceback."""
