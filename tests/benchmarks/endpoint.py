"""A lean endpoint for measurements: runs of a fixed duration, held polls, and as little work of its own as possible.

It also answers as OpenAI's chat completions do, for what is measured beside our calls.

``python -m tests.benchmarks.endpoint SECONDS`` prints its address and serves until it is terminated.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from itertools import count
from typing import cast

from tests.benchmarks.processes import allow_many_connections

_COMPLETION: dict[str, object] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1767225600,
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "done"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 8, "completion_tokens": 1, "total_tokens": 9},
}
_ENTRY = {"ts": "2026-01-01T00:00:00+00:00", "state": "processing", "message": "Working.", "tool_calls": None}


class Endpoint(asyncio.Protocol):
    """One connection. Requests are small enough to arrive in one piece, or are put together until they do."""

    started: dict[str, float]
    run_seconds: float
    numbers = count(1)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        line, _, headers = head.partition(b"\r\n")
        place = headers.lower().find(b"content-length:")
        length = int(headers[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
        if len(body) < length:
            return
        self._received = body[length:]
        method, target, _ = line.split(b" ")
        if target.endswith(b"/chat/completions"):
            self._answer(200, _COMPLETION)
        elif method == b"POST":
            self._create()
        else:
            self._poll(target.decode())

    def _create(self) -> None:
        response_id = f"00000000-0000-4000-8000-{next(self.numbers):012d}"
        self.started[response_id] = time.monotonic()
        self._answer(201, self._run(response_id, "queued"))

    def _poll(self, target: str) -> None:
        path, _, query = target.partition("?wait=")
        response_id = path.rsplit("/", 1)[1]
        left = self.started[response_id] + self.run_seconds - time.monotonic()
        wait = float(query or 0)
        if left <= 0:
            self._finish(response_id)
        elif left <= wait:
            asyncio.get_running_loop().call_later(left, self._finish, response_id)
        else:
            asyncio.get_running_loop().call_later(wait, self._answer, 200, self._run(response_id, "in_progress"))

    def _finish(self, response_id: str) -> None:
        done: dict[str, object] = {"output_text": "done", "progress": [_ENTRY, _ENTRY], "error": None}
        self._answer(200, self._run(response_id, "succeeded") | done)

    def _run(self, response_id: str, status: str) -> dict[str, object]:
        ids: dict[str, object] = {"response_id": response_id, "thread_id": response_id, "tenant_id": response_id}
        return ids | {"status": status, "created_at": "2026-01-01T00:00:00+00:00"}

    def _answer(self, status: int, body: dict[str, object]) -> None:
        content = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        if not self._transport.is_closing():
            self._transport.write(head.encode() + content)


async def serve(run_seconds: float) -> None:
    """Serve until cancelled."""
    Endpoint.started = {}
    Endpoint.run_seconds = run_seconds
    server = await asyncio.get_running_loop().create_server(Endpoint, "127.0.0.1", 0, backlog=4096)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    allow_many_connections()
    asyncio.run(serve(float(sys.argv[1])))
