"""Small servers and engines that tests run against, over real sockets."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from lumnisai_core.local import RunReport, RunRequest, RunResult, Script, ScriptedEngine


class EndlessEngine:
    """Reports one entry and then works until it is cancelled."""

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        report.progress("Working.")
        await asyncio.Event().wait()
        return RunResult()


class GatedEngine:
    """Plays one part of a script at a time, each when the test opens the gate."""

    def __init__(self, *parts: Script) -> None:
        self._parts = parts
        self._gate = threading.Semaphore(0)

    def open(self) -> None:
        """Let one more part be played."""
        self._gate.release()

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        result = RunResult()
        for part in self._parts:
            await asyncio.to_thread(self._gate.acquire)
            result = await ScriptedEngine(part).run(request, report)
        return result


class ScriptByText:
    """Plays the script that belongs to the text of the question, or else another."""

    def __init__(self, scripts: dict[str, Script], otherwise: Script) -> None:
        self._scripts = scripts
        self._otherwise = otherwise

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        script = self._scripts.get(request.input_messages[-1].content, self._otherwise)
        return await ScriptedEngine(script).run(request, report)


class CountingEngine:
    """Counts how many runs were under way at the same time at the most."""

    def __init__(self) -> None:
        self.most = 0
        self._now = 0

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.sleep(0.01)
        self._now -= 1
        return RunResult(output_text="done")


class FeedbackEngine:
    """Waits until the test releases it and answers with the feedback it got meanwhile."""

    def __init__(self) -> None:
        self._released = threading.Event()

    def release(self) -> None:
        """Let the run end."""
        self._released.set()

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        await asyncio.to_thread(self._released.wait)
        return RunResult(output_text=" | ".join(item.text for item in report.feedback()))


class RecordingEngine:
    """Plays scripts, or the one that is chosen for a request, and keeps the requests."""

    def __init__(self, *scripts: Script, choose: Callable[[RunRequest], Script] | None = None) -> None:
        self.requests: list[RunRequest] = []
        self._engine = ScriptedEngine(list(scripts) if choose is None else choose)

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        self.requests.append(request)
        return await self._engine.run(request, report)


class HistoryEngine:
    """Answers with the number and the texts of the messages it got."""

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        texts = [message.content for message in request.messages]
        return RunResult(output_text=f"{len(texts)}: " + " | ".join(texts))


class RequestEngine:
    """Answers with the request itself, as an artifact-free structured response would hold it."""

    def __init__(self) -> None:
        self.requests: list[RunRequest] = []

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        self.requests.append(request)
        return RunResult(output_text=request.input_messages[-1].content)


@dataclass(frozen=True)
class Canned:
    """One prepared answer.

    ``reset`` closes the connection instead of answering, ``reset_in_body`` in the middle of the body; ``arrived`` is
    set when the request is there, and then the answer waits for ``release``.
    """

    status: int = 200
    body: bytes | dict[str, Any] | list[Any] = b""
    headers: dict[str, str] = field(default_factory=dict)
    reset: bool = False
    reset_in_body: bool = False
    arrived: threading.Event | None = None
    release: threading.Event | None = None


@dataclass
class Received:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class CannedServer:
    """An HTTP server that sends prepared answers in order and keeps the requests."""

    base_url: str
    received: list[Received]


@contextmanager
def canned_server(answers: Sequence[Canned]) -> Iterator[CannedServer]:
    """Serve these answers, one per request; the last one is repeated."""
    received: list[Received] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):  # every method is answered alike
                return self.handle_any
            raise AttributeError(name)

        def _content(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)

        def handle_any(self) -> None:
            content = self._content()
            with lock:
                answer = answers[min(len(received), len(answers) - 1)]
                headers = {name.lower(): value for name, value in self.headers.items()}
                received.append(Received(self.command, self.path, headers, content))
            if answer.arrived is not None:
                answer.arrived.set()
            if answer.release is not None:
                answer.release.wait()
            if answer.reset:
                self.close_connection = True
                self.connection.close()
                return
            body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if answer.reset_in_body:
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                self.close_connection = True
                self.connection.close()
                return
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Keep the tests' output free of access lines."""

        def finish(self) -> None:
            if not self.wfile.closed and self.connection.fileno() != -1:
                super().finish()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield CannedServer(f"http://127.0.0.1:{server.server_address[1]}", received)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class RawServer:
    """A server over bare sockets.

    Attributes:
        base_url: Its address.
        targets: The target of each request, byte for byte.
        released: Set at the end of the test, for answers that wait.
    """

    base_url: str = ""
    targets: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def raw_server(answer: Callable[[RawServer, socket.socket, str], bytes | None]) -> Iterator[RawServer]:
    """Serve what a function makes of each request.

    Args:
        answer: Gets the server, the connection and the request's target. It returns bytes to send, or None to close the
            connection. Small bodies of requests are read, large ones are left.
    """
    server = RawServer()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            received = b""
            try:
                while True:
                    while b"\r\n\r\n" not in received:
                        if not (more := self.request.recv(65536)):
                            return
                        received += more
                    head, _, body = received.partition(b"\r\n\r\n")
                    length = re.search(rb"(?i)\ncontent-length: (\d+)", head)
                    while length is not None and len(body) < int(length[1]) < 65536:
                        body += self.request.recv(65536)
                    target = head.split(b" ", 2)[1].decode()
                    server.targets.append(target)
                    received = b""
                    if (content := answer(server, self.request, target)) is None:
                        return
                    self.request.sendall(content)
            except OSError:
                pass  # the client has had enough

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    listening = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.base_url = f"http://127.0.0.1:{listening.server_address[1]}"
    try:
        yield server
    finally:
        server.released.set()
        listening.shutdown()
        thread.join()
        listening.server_close()
