"""What the layers around the application share: whole requests and whole answers."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as a whole."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    async def send(self, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


async def read_whole(receive: Receive) -> bytes | None:
    """Read a request's whole body; None when the caller hung up meanwhile."""
    chunks: list[bytes] = []
    while (message := await receive())["type"] == "http.request":
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)
    return None


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that hands out a body that was read before, then what comes after it."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return pending.pop() if pending else await receive()

    return again


async def answered(app: ASGIApp, scope: Scope, receive: Receive) -> Answer:
    """Let an application process a request; return its answer instead of sending it."""
    head: Message = {}
    chunks: list[bytes] = []

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            head.update(message)
        else:
            chunks.append(message.get("body", b""))

    await app(dict(scope), receive, keep)
    return Answer(head["status"], list(head["headers"]), b"".join(chunks))


async def hung_up(receive: Receive) -> None:
    """Wait until the server knows that this is over; it complains about a request that nobody answers."""
    while (await receive())["type"] != "http.disconnect":
        pass
