"""Locks of one process: in a forked child they are free, whoever held them in the parent."""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import AbstractContextManager

_alive: weakref.WeakSet[ProcessLock] = weakref.WeakSet()


class ProcessLock:
    """A reentrant lock whose holder in the parent does not block a forked child, where that thread does not exist."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _alive.add(self)

    def held(self) -> AbstractContextManager[bool]:
        """Return a context that holds the lock."""
        # The lock itself, so that a child that is forked inside leaves the one that it entered.
        return self._lock

    def renew(self) -> None:
        """Leave the lock to the parent; called in a forked child before anything else runs there."""
        self._lock = threading.RLock()


def _renew_all() -> None:
    for lock in list(_alive):
        lock.renew()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_renew_all)

_changes = ProcessLock()

#: Holds the lock for short changes of values that threads share. There is one for all: a change takes no time, and
#: values with own locks could not be copied or saved.
changing = _changes.held
