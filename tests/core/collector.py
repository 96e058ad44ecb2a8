"""A service that records what Lucidic clients send, over real sockets, with faults on demand."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: Settings of clients besides the address.
KEY: dict[str, Any] = {"api_key": "key-1234", "agent_id": "agent-1"}


@dataclass
class Sent:
    """One request as it arrived; the body is parsed, and unpacked if it was compressed."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Collector:
    """What was received, and what is to be answered.

    Attributes:
        base_url: Its address.
        requests: All requests in the order of their arrival.
        refusals: Status and headers of the next answers, instead of good ones; the paths that they are for, or "".
        answers: Bodies of good answers by path.
        offers_blobs: Whether an event with ``needs_blob`` gets an upload address.
        held: While it is clear, requests wait.
    """

    base_url: str = ""
    requests: list[Sent] = field(default_factory=list)
    refusals: list[tuple[str, int, dict[str, str]]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    offers_blobs: bool = True
    held: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def bodies(self, path: str, method: str | None = None) -> list[dict[str, Any]]:
        """Return the bodies sent to a path, without their time stamps."""
        with self.lock:
            found = [sent for sent in self.requests if sent.path == path and method in (None, sent.method)]
        return [{key: value for key, value in sent.body.items() if key != "current_time"} for sent in found]

    def events(self, session_id: str | None = None) -> list[dict[str, Any]]:
        """Return the events of a session by the time that they began, each id once."""
        whole = [row for row in self.bodies("/events", "POST") if row]  # a killed process leaves one that is cut off
        rows = {row["client_event_id"]: row for row in whole}
        chosen = [row for row in rows.values() if session_id in (None, row["session_id"])]
        return sorted(chosen, key=lambda row: str(row["occurred_at"]))

    def changes(self, session_id: str) -> dict[str, Any]:
        """Return all changes of a session, later ones last."""
        rows = [row for row in self.bodies("/updatesession") if row["session_id"] == session_id]
        return {name: value for row in rows for name, value in row.items() if name != "session_id"}

    def answer(self, sent: Sent) -> tuple[int, dict[str, str], Any]:
        """Choose the answer to a request."""
        with self.lock:
            self.requests.append(sent)
            for refusal in self.refusals:
                path, status, headers = refusal
                if sent.path.startswith(path):
                    self.refusals.remove(refusal)
                    return status, headers, {"detail": f"refused {sent.path}"}
        if sent.path in self.answers:
            return 200, {}, self.answers[sent.path]
        body = sent.body if isinstance(sent.body, dict) else {}
        answer = {"session_id": body.get("session_id"), "event_id": f"e-{body.get('client_event_id')}"}
        if body.get("needs_blob") and self.offers_blobs:
            answer["blob_url"] = f"{self.base_url}/blob/{body['client_event_id']}?signature=s3cr3t"
        return 200, {}, answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave broken connections alone: tests kill clients."""


@contextmanager
def collector() -> Iterator[Collector]:
    """Serve a collector."""
    known = Collector()
    known.held.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536

        def handle_any(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if headers.get("content-encoding") == "gzip":
                content = gzip.decompress(content)
            known.held.wait()
            sent = Sent(self.command, self.path.partition("?")[0], headers, json.loads(content) if content else {})
            status, more, answer = known.answer(sent)
            body = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **more, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - the base class's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Keep the tests' output free of access lines."""

    server = _Server(("127.0.0.1", 0), Handler)
    known.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield known
    finally:
        known.held.set()
        server.shutdown()
        thread.join()
        server.server_close()
