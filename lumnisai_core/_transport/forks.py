"""Forked processes: what a child inherits from its parent and must not share with it.

Servers and task queues fork workers after an application has made its clients and used them. A connection shared by
two processes gives one of them the answer of the other; a lock held while forking is never released in the child.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """An object with connections, locks or event loops, which belong to one process."""

    def after_fork(self) -> None:
        """Drop the parent's connections and make new locks; called in the child before anything else runs there."""


_alive: weakref.WeakSet[Forkable] = weakref.WeakSet()

#: What children have dropped. It is kept until the child ends: closing or collecting it could reach the parent's
#: connections and event loops.
_inherited: list[object] = []


def register(thing: Forkable) -> None:
    """Have :meth:`Forkable.after_fork` called in each child that is forked while the object is alive."""
    _alive.add(thing)


def drop(*inherited: object) -> None:
    """Keep objects of the parent out of use, in a child, without closing them."""
    _inherited.extend(inherited)


def _after_fork() -> None:
    for thing in list(_alive):
        thing.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, where processes are never forked
    os.register_at_fork(after_in_child=_after_fork)
