"""Which service a command talks to: the platform if there is a key, else one embedded in the command."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lumnisai_core.local import LocalLumnis

#: Pause between progress steps of the embedded engine, in seconds, so that people can see them come.
STEP_DELAY = 0.15


@dataclass(frozen=True)
class Connection:
    """Address and key for clients and adapters; None lets them read the environment."""

    api_key: str | None
    base_url: str | None

    @property
    def description(self) -> str:
        """Say where the runs go."""
        if self.base_url is None:
            return "the Lumnis platform (LUMNISAI_API_KEY is set)"
        return f"an embedded Lumnis service at {self.base_url} (LUMNISAI_API_KEY is not set)"


@contextmanager
def connection() -> Iterator[Connection]:
    """Offer a service for the length of a ``with`` block."""
    if os.environ.get("LUMNISAI_API_KEY", "").strip():
        yield Connection(None, None)
        return
    with LocalLumnis(step_delay=STEP_DELAY) as local:
        yield Connection(local.api_key, local.base_url)
