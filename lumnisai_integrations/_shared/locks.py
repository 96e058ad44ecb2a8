"""A lock for short changes of values that threads share; in a forked child it is never held."""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager

_lock = threading.Lock()


def changing() -> AbstractContextManager[bool]:
    """Return the lock of this process.

    There is one for all values: a change takes no time, and values with own locks could not be copied or saved.
    """
    return _lock


def _renew() -> None:
    global _lock  # noqa: PLW0603 - another thread of the parent may hold the inherited one
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_renew)
