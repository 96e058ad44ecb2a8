# Generated from lumnisai_core/_async/resources/base.py by `make sync`: change that file, not this one.
"""What all resources share."""

from __future__ import annotations

from typing import TypeVar

from lumnisai_core._call import Call
from lumnisai_core._config import Settings
from lumnisai_core._sync.transport import Transport

T = TypeVar("T")


class Resource:
    """A part of the API, bound to a client's connections and scope."""

    def __init__(self, transport: Transport, settings: Settings) -> None:
        self._transport = transport
        self._settings = settings

    def _send(self, call: Call[T]) -> T:
        return self._transport.send(call)
