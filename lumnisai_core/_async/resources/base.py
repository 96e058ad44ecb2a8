"""What all resources share."""

from __future__ import annotations

from typing import TypeVar

from lumnisai_core._async.transport import AsyncTransport
from lumnisai_core._call import Call
from lumnisai_core._config import Settings

T = TypeVar("T")


class AsyncResource:
    """A part of the API, bound to a client's connections and scope."""

    def __init__(self, transport: AsyncTransport, settings: Settings) -> None:
        self._transport = transport
        self._settings = settings

    async def _send(self, call: Call[T]) -> T:
        return await self._transport.send(call)
