"""Prepared answers of Lumi.new, and how its tests look at the requests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from tests.servers import Canned, CannedServer, Received

PROJECT = "p340000000000000000"
API_KEY = "lk-demo-key"
SIGN_KEY = "demo-signing-key"
TOP_KEY = "top-access-demo"
TOKEN = "tok-7d1f"
EMAIL = "ines@example.org"
PASSWORD = "correct horse"
HASH = "4104d36f8da2c254349f85836793ebe029e0c957063a34c91c2e9203187b5631"
USER = {
    "userId": "u-5501",
    "email": EMAIL,
    "userName": "Ines",
    "userRole": "USER",
    "createdTime": "2025-08-02T07:30:00Z",
}
SIGNED_IN = {**USER, "userToken": TOKEN}
DOCUMENT = {"_id": "66d1f0", "title": "Leaking tap", "status": "open", "creator": "u-5501"}


def good(data: Any = None, **known: Any) -> Canned:
    return Canned(200, {"code": 200, "message": "success", "data": data}, **known)


def bad(code: int, message: str = "No.", *, status: int = 200, **known: Any) -> Canned:
    return Canned(status, {"code": code, "message": message, "data": None}, **known)


def events(*rows: Any, kind: str = "text/event-stream") -> Canned:
    texts = [row if isinstance(row, str) else f"data: {json.dumps(row)}" for row in rows]
    return Canned(200, "".join(f"{text}\n\n" for text in texts).encode(), {"Content-Type": kind})


def piece(content: str) -> dict[str, str]:
    return {"chatId": "c-82", "content": content}


def routes(server: CannedServer) -> list[str]:
    return [f"{request.method} {urlsplit(request.path).path}" for request in server.received]


def body(request: Received) -> Any:
    return json.loads(request.body)


def is_signed(request: Received) -> bool:
    """Whether the signature fits, computed here as the wire describes it for repeated query parameters."""
    joined: dict[str, str] = {}
    for name, value in parse_qsl(urlsplit(request.path).query, keep_blank_values=True):
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    query = "&".join(f"{quote(name, safe='-_.~')}={quote(joined[name], safe='-_.~')}" for name in sorted(joined))
    payload = b"" if request.headers.get("content-type", "").startswith("multipart") else request.body
    canonical = (
        f"{query}\nx-nonce:{request.headers['x-nonce']}\nx-timestamp:{request.headers['x-timestamp']}\n"
        f"{hashlib.sha256(payload).hexdigest()}"
    )
    digest = hmac.new(SIGN_KEY.encode(), canonical.encode(), hashlib.sha256).digest()
    return request.headers["x-sign"] == base64.b64encode(digest).decode()


@contextmanager
def pages_server(total: int, rows: list[dict[str, Any]]) -> Iterator[tuple[str, Callable[[], int]]]:
    """Serve pages of a collection of so many documents, which it makes from a few rows when they are requested.

    Yields:
        Its address, and a function that returns how many requests there were.
    """
    ids = [f"{number:024d}" for number in range(total)]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        count = 0

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            Handler.count += 1
            found = ids[asked["skip"] : asked["skip"] + asked["limit"]]
            listed = [{**rows[at % len(rows)], "_id": one} for at, one in enumerate(found)]
            content = json.dumps({"code": 200, "data": {"total": total, "list": listed}}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Keep the tests' output free of access lines."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", lambda: Handler.count
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
