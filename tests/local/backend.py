"""A caller of the embedded application backend, which signs its requests by itself as clients of Lumi do."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote

import httpx

from lumnisai_core.local import LocalLumnis
from tests.local.support import PATIENCE

PASSWORD = hashlib.sha256(b"correct horse").hexdigest()
OTHER_PASSWORD = hashlib.sha256(b"new horse").hexdigest()
_numbers = itertools.count()


def signed(key: str, timestamp: str, nonce: str, query: Sequence[tuple[str, str]], payload: bytes) -> str:
    """Return the signature of a request whose query is in signed form already."""
    text = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted(query))
    lines = [text, f"x-nonce:{nonce}", f"x-timestamp:{timestamp}", hashlib.sha256(payload).hexdigest()]
    return base64.b64encode(hmac.digest(key.encode(), "\n".join(lines).encode(), "sha256")).decode()


class Signed(httpx.Auth):
    """Signs each request; with `repeated`, repeated parameters one by one instead of joined by commas."""

    requires_request_body = True

    def __init__(self, key: str, *, clock: int = 0, nonce: str | None = None, repeated: bool = False) -> None:
        self._key = key
        self._clock = clock
        self._nonce = nonce
        self._repeated = repeated

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        timestamp, nonce = str(int(time.time()) + self._clock), self._nonce or f"n{next(_numbers)}"
        query = parse_qsl(request.url.query.decode(), keep_blank_values=True)
        joined: dict[str, str] = {}
        for name, value in query:
            joined[name] = f"{joined[name]},{value}" if name in joined else value
        is_form = request.headers.get("content-type", "").startswith("multipart/")
        payload = b"" if is_form else request.content
        pairs = query if self._repeated else list(joined.items())
        sign = signed(self._key, timestamp, nonce, pairs, payload)
        request.headers.update({"x-timestamp": timestamp, "x-nonce": nonce, "X-Sign": sign})
        yield request


class Backend(httpx.Client):
    """A caller with the few calls that nearly every test makes; `token` is that of a user."""

    def __init__(self, local: LocalLumnis, token: str | None = None, **options: Any) -> None:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        self.local = local
        self.project = f"/lm/{local.lumi.project_id}"
        self._others: list[Backend] = []
        signing = {"auth": Signed(local.lumi.sign_key), "headers": headers}
        super().__init__(base_url=local.lumi.base_url, timeout=PATIENCE, **{**signing, **options})

    def another(self, token: str | None = None, **options: Any) -> Backend:
        """Return a further caller, which is closed with this one."""
        self._others.append(Backend(self.local, token, **options))
        return self._others[-1]

    @property
    def token(self) -> str:
        """The token that is sent; empty if there is none."""
        return str(self.headers.get("authorization", "")).removeprefix("Bearer ")

    def close(self) -> None:
        for other in self._others:
            other.close()
        super().close()

    def __exit__(self, *_: Any) -> None:
        self.close()

    def outcome(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        """Send a request; return code and data of the envelope, or code and message of a failure."""
        content = {} if body is None else {"json": body}
        reply = self.request(method, path, **content, **options)
        envelope = reply.json()
        assert sorted(envelope) == ["code", "data", "message"], envelope
        if envelope["code"] == 200:
            assert (reply.status_code, envelope["message"]) == (200, "success")
            return 200, envelope["data"]
        assert envelope["data"] is None
        return envelope["code"], envelope["message"]

    def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Send a request that must succeed; return its data."""
        code, data = self.outcome(method, path, body, **options)
        assert code == 200, data
        return data

    def code(self, method: str, path: str, body: Any = None, **options: Any) -> int:
        """Send a request; return the code of its outcome."""
        return self.outcome(method, path, body, **options)[0]

    def documents(self, method: str, body: Any = None, *, below: str = "", of: str = "Posts") -> Any:
        """Make a call about documents that must succeed; return its data."""
        return self.ok(method, f"{self.project}/{of}/documents{below}", body)

    def account(self, action: str, **fields: Any) -> tuple[int, Any]:
        """Make a call about accounts; return its outcome."""
        path = {"code": "email/code/send"}.get(action, f"password/{action}")
        return self.outcome("POST", f"/lm/user/{path}", {"projectId": self.local.lumi.project_id, **fields})

    def sent_code(self, email: str, kind: str = "register") -> str:
        """Send a one-time code and return it from the outbox."""
        assert self.account("code", email=email, emailType=kind)[0] == 200
        code = self.local.lumi.outbox[-1].code
        assert code is not None
        return code

    def signed_up(self, email: str, **options: Any) -> Backend:
        """Make an account and return a caller for its user."""
        code = self.sent_code(email)
        status, data = self.account("register", email=email, password=PASSWORD, code=code, userName=email[:3])
        assert status == 200, data
        return self.another(data["userToken"], **options)

    def chat(self, *texts: str, **fields: Any) -> dict[str, Any]:
        """Return a body with the messages of a user."""
        messages = [{"role": "user", "content": text} for text in texts]
        return {"lumiApiKey": self.local.lumi.api_key, "modelName": "any", "chatMessages": messages, **fields}


Started = Callable[..., Backend]
