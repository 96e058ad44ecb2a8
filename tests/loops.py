"""Event loops that report blocking calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from blockbuster import blockbuster_ctx

_WATCHED = [
    "lumnisai_integrations",
    "lumnisai_core.lumnis._async",
    "lumnisai_core.liminal",
    "lumnisai_core._transport.pool",
]


@contextmanager
def no_blocking() -> Iterator[None]:
    """Raise BlockingError wherever the package blocks a running event loop."""
    with blockbuster_ctx(scanned_modules=list(_WATCHED)) as watched:
        # The tracer of coverage takes a lock when it meets a file for the first time. That is not a call of ours.
        for name, function in watched.functions.items():
            if name.startswith("threading.Lock."):
                function.can_block_in("coverage/collector.py", {"lock_data"})
        yield
