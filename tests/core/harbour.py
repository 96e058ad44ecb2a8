"""An invented service that needs all that a platform may need of the transport, and its description for the client."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode

from pydantic import SecretStr

from lumnisai_core._transport import login
from lumnisai_core._transport.answer import Answer, Problem
from lumnisai_core._transport.call import Call, Form
from lumnisai_core._transport.login import LoginFlow
from lumnisai_core._transport.request import Request
from lumnisai_core._transport.service import Service
from lumnisai_core.exceptions import AuthenticationError, TransportError

BADGE = "badge-of-the-pilot"
SIGN_KEY = "key-of-the-lighthouse"

#: What the service's error codes amount to.
_STATUSES = {2100: 401, 4290: 429, 5030: 503}


class Harbour(Service):
    """Login by a call that sets a cookie, a signature over each request, an envelope around each answer.

    Args:
        base_url: Address of the server.
        badge: Secret to log in with; or a function that returns it.
        identity: Address of an identity provider, for a login by device code instead.
    """

    sends_cookies = True

    def __init__(
        self, base_url: str, badge: str | Callable[[], Any] | None = BADGE, *, identity: str | None = None
    ) -> None:
        super().__init__("Harbour", base_url, headers={"User-Agent": "pilot/1", "X-Pier": "7"})
        self._badge = badge
        self._identity = identity
        self._session: str | None = None
        self.messages: list[str] = []

    @property
    def needs_login(self) -> bool:
        return self._session is None and (self._badge is not None or self._identity is not None)

    def login(self) -> LoginFlow | None:
        if self._identity is not None:
            return self._login_by_device(self._identity)
        return None if self._badge is None else self._login_by_badge(self._badge)

    def _login_by_badge(self, badge: str | Callable[[], Any]) -> LoginFlow:
        text = badge if isinstance(badge, str) else (yield from login.invoke(badge))
        yield from self._open_session({"X-Badge": SecretStr(text)})

    def _login_by_device(self, identity: str) -> LoginFlow:
        start = Call("POST", "/device", dict, form=Form({"client_id": "c 1"}), base_url=identity, confidential=True)
        device = yield from login.send(start)
        self.messages.append(device["message"])
        form = Form({"grant_type": "device_code", "device_code": device["device_code"]})
        poll = Call("POST", "/token", dict, form=form, base_url=identity, confidential=True, accepts=frozenset({400}))
        while "access_token" not in (token := (yield from login.send(poll))):
            if token["error"] != "authorization_pending":
                raise AuthenticationError(f"The device login failed: {token['error']}.")
            yield from login.pause(device["interval"])
        yield from self._open_session({"Authorization": SecretStr(f"Bearer {token['access_token']}")})

    def _open_session(self, headers: Mapping[str, SecretStr]) -> LoginFlow:
        call = Call(
            "POST", "/login", _session_of, headers=headers, authorised=False, whole_answer=True, confidential=True
        )
        self._session = yield from login.send(call)

    def authorise(self, request: Request) -> Request:
        nonce = secrets.token_hex(8)
        payload = request.content if isinstance(request.content, bytes) else b""
        headers: dict[str, str | SecretStr] = {
            "X-Nonce": nonce,
            "X-Sign": SecretStr(signature(nonce, request.query, payload)),
        }
        if self._session is not None:
            headers["Cookie"] = SecretStr(f"session={self._session}")
        return request.with_headers(headers)

    def secrets(self) -> tuple[SecretStr, ...]:
        return tuple(SecretStr(text) for text in (self._session, self._badge) if isinstance(text, str))

    def received(self, answer: Answer) -> None:
        self._session = answer.cookie("session") or self._session

    def unwrap(self, data: Any) -> Any:
        if data["code"] != 200:
            raise problem_of(data)
        return data["data"]

    def read_error(self, status: int, headers: Mapping[str, str], body: Any) -> Problem:
        return problem_of(body) if isinstance(body, dict) else super().read_error(status, headers, body)


def _session_of(answer: Answer) -> str:
    session = answer.cookie("session")
    if session is None:
        raise TransportError("The answer to the login sets no session.")
    return session


def problem_of(body: Mapping[str, Any]) -> Problem:
    return Problem(body["message"], code=str(body["code"]), status=_STATUSES.get(body["code"]))


def signature(nonce: str, query: Sequence[tuple[str, str]], payload: bytes) -> str:
    canonical = f"{nonce}\n{urlencode(query)}\n{hashlib.sha256(payload).hexdigest()}"
    digest = hmac.new(SIGN_KEY.encode(), canonical.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class HarbourServer:
    """The server, and what it has seen.

    Attributes:
        answers: By path, the answers to give in order before the usual ones: a status, a JSON body, or bytes.
        together: Refusals of a session that wait for each other.
        rest: How streams continue after their first two events: ``end``, ``cut``, ``stall``, ``trickle``, ``problem``
            or ``nonsense``.
    """

    base_url: str = ""
    seen: list[Seen] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    session: str = ""
    refuses_login: bool = False
    answers: dict[str, list[int | bytes | dict[str, Any]]] = field(default_factory=dict)
    together: threading.Barrier | None = None
    rest: str = "end"
    login_arrived: threading.Event = field(default_factory=threading.Event)
    login_released: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def expire(self) -> None:
        """Forget the session."""
        self.session = ""

    def to(self, path: str) -> list[Seen]:
        """Return the requests to a path."""
        return [seen for seen in self.seen if seen.path.partition("?")[0] == path]


@contextmanager
def harbour_server() -> Iterator[HarbourServer]:
    """Serve the harbour."""
    harbour = HarbourServer()
    harbour.login_released.set()

    class Handler(_Handler):
        state = harbour

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    harbour.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield harbour
    finally:
        harbour.released.set()
        harbour.login_released.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that close their connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: HarbourServer

    def do_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.state.lock:
            self.state.seen.append(Seen(self.command, self.path, headers, body))
            prepared = self.state.answers.get(path, [])
            answer = prepared.pop(0) if prepared else None
        if path == "/login":
            self._log_in(headers)
        elif path in ("/device", "/token"):
            self._identify(path, dict(parse_qsl(body.decode())))
        elif not self._is_welcome(headers, query, body):
            return
        elif isinstance(answer, int):
            self._send(answer, {"code": answer, "message": f"No: {headers.get('cookie')}", "data": None})
        elif answer is not None:
            self._send(200, answer)
        elif path in ("/lines", "/events", "/bytes"):
            self._stream(path)
        else:
            self._send(200, {"code": 200, "message": "ok", "data": {"path": self.path, "body": body.decode("latin-1")}})

    do_GET = do_POST = do_PUT = do_DELETE = do_any  # noqa: N815 - the base class's names

    def _log_in(self, headers: Mapping[str, str]) -> None:
        self.state.login_arrived.set()
        self.state.login_released.wait(10)
        with self.state.lock:
            self.state.counts["logins"] += 1
            number = self.state.counts["logins"]
        if self.state.refuses_login or not (headers.get("x-badge") == BADGE or "authorization" in headers):
            self._send(403, {"code": 403, "message": "Unknown badge.", "data": None})
            return
        self.state.session = f"session-{number}"
        self._send(204, b"", {"Set-Cookie": f"session={self.state.session}; Path=/; HttpOnly"})

    def _identify(self, path: str, form: Mapping[str, str]) -> None:
        if path == "/device":
            assert form == {"client_id": "c 1"}
            self._send(200, {"device_code": "d-1", "message": "Enter 123.", "interval": 0.01})
        elif self.state.counts["polls"] < 2:
            self.state.counts["polls"] += 1
            self._send(400, {"error": "authorization_pending"})
        else:
            self._send(200, {"access_token": "entry-token"})

    def _is_welcome(self, headers: Mapping[str, str], query: str, body: bytes) -> bool:
        payload = b"" if headers.get("content-type", "").startswith("multipart") else body
        expected = signature(headers["x-nonce"], parse_qsl(query, keep_blank_values=True), payload)
        nonces = [seen.headers.get("x-nonce") for seen in self.state.seen]
        if headers["x-sign"] != expected or nonces.count(headers["x-nonce"]) > 1:
            self._send(400, {"code": 400, "message": "Signature is wrong or was used before.", "data": None})
            return False
        if not self.state.session or headers.get("cookie") != f"session={self.state.session}":
            if self.state.together is not None:
                self.state.together.wait(10)
            self.state.counts["refusals"] += 1
            self._send(401, {"code": 2100, "message": f"Unknown {headers.get('cookie')}.", "data": None})
            return False
        return True

    def _send(self, status: int, body: bytes | Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(body, bytes) else "application/json")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, path: str) -> None:
        as_event = {"/lines": _line, "/events": _event, "/bytes": _bytes}[path]
        kind = {"/lines": "application/json", "/events": "text/event-stream", "/bytes": "image/png"}[path]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for number in (1, 2):
                self._chunk(as_event({"code": 200, "number": number}))
            self._end(as_event)
        except OSError:
            self.state.gone.set()
            self.close_connection = True

    def _end(self, as_event: Callable[[Mapping[str, Any]], bytes]) -> None:
        match self.state.rest:
            case "cut":
                self.close_connection = True
                return
            case "stall":
                self.state.released.wait(10)
            case "trickle":
                while not self.state.released.wait(0.005):
                    self._chunk(as_event({"code": 200, "number": 3}))
            case "problem":
                self._chunk(as_event({"code": 4290, "message": "Enough."}))
                self._chunk(as_event({"code": 200, "number": 4}))
            case "nonsense":
                self._chunk(b"oops\noops\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(content), content))
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Keep the tests' output free of access lines."""


def _line(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event).encode() + b"\n"


def _event(event: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def _bytes(event: Mapping[str, Any]) -> bytes:
    return b"\x00\r\n" + str(event.get("number")).encode()
