"""The Lumi.new service and the settings of its clients: tokens, signatures, envelopes, errors."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import string
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

from pydantic import SecretStr

from lumnisai_core._transport import forks, login
from lumnisai_core._transport.answer import Answer, Problem, error_detail, shortened
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.checks import check_retries, check_seconds, usable_headers, usable_secret
from lumnisai_core._transport.login import LoginFlow
from lumnisai_core._transport.request import Request
from lumnisai_core._transport.service import Service, checked_base_url
from lumnisai_core._transport.waiting import notify
from lumnisai_core._version import VERSION
from lumnisai_core.exceptions import (
    AuthenticationError,
    ConfigurationError,
    LumnisAIError,
    NotFoundError,
    SessionExpiredError,
    TransportError,
    ValidationError,
)
from lumnisai_core.lumi.calls.accounts import AccountRoute, sign_in
from lumnisai_core.lumi.models import AuthChange, SignIn, User

T = TypeVar("T")

DEFAULT_TIMEOUT = 60.0
DEFAULT_MAX_RETRIES = 3

_EXAMPLE = "https://api.lumi.new"
_NONCE_LENGTH = 11
_SUCCESS = 200
_TOKEN_INVALID = 2100

Listener = Callable[[AuthChange], object]


# Signatures


def signature(key: str, *, timestamp: int, nonce: str, query: Sequence[tuple[str, str]], payload: bytes) -> str:
    """Return the ``X-Sign`` header of a request.

    Args:
        key: The signing key; its characters are the bytes of the key.
        timestamp: Seconds since the epoch.
        nonce: A text that is used once.
        query: Query parameters; the values of a repeated one are signed as one, joined by commas.
        payload: The JSON body as it is sent; empty for multipart.
    """
    joined: dict[str, str] = {}
    for name, value in query:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    # By UTF-16 units, as JavaScript sorts.
    pairs = sorted(joined.items(), key=lambda pair: pair[0].encode("utf-16-be"))
    canonical = "\n".join(
        [
            "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs),
            f"x-nonce:{nonce}",
            f"x-timestamp:{timestamp}",
            hashlib.sha256(payload).hexdigest(),
        ]
    )
    return base64.b64encode(hmac.digest(key.encode(), canonical.encode(), "sha256")).decode()


# Who is signed in


class _State(NamedTuple):
    token: SecretStr | None = None
    user: User | None = None
    credentials: tuple[str, SecretStr] | None = None
    is_refused: bool = False
    epoch: int = 0


class Session:
    """Who a client works for: at most one user, with the token and, after a login, the means to renew it.

    Args:
        token: The user's token.
    """

    def __init__(self, token: SecretStr | None) -> None:
        self._state = _State(token)
        self._listeners: dict[object, Listener] = {}
        self._lock = threading.Lock()
        forks.register(self)

    def after_fork(self) -> None:
        """Make a new lock."""
        self._lock = threading.Lock()

    @property
    def token(self) -> SecretStr | None:
        """The token, or None."""
        return self._state.token

    @property
    def user(self) -> User | None:
        """The user, as far as it is known."""
        return self._state.user

    @property
    def credentials(self) -> tuple[str, SecretStr] | None:
        """E-mail address and hashed password of the login that gave the token, or None."""
        return self._state.credentials

    @property
    def is_authenticated(self) -> bool:
        """Whether there is a token that has not been refused."""
        return self._state.token is not None and not self._state.is_refused

    @property
    def epoch(self) -> int:
        """A number that changes when the client begins to work for somebody else, and not when a token is renewed."""
        return self._state.epoch

    def check_free_for(self, email: str) -> None:
        """Refuse to replace the user of this client by another one.

        Raises:
            ConfigurationError: The client works for somebody else.
        """
        state = self._state
        is_same = state.user is not None and _same_address(state.user.email, email)
        if state.token is None or state.is_refused or is_same:
            return
        raise ConfigurationError(
            "This client already holds a user's token, and one client works for one user: make another client, or "
            "call auth.sign_out() first."
        )

    def adopt(self, result: SignIn, credentials: tuple[str, SecretStr]) -> None:
        """Work for the user who has signed in.

        Raises:
            ConfigurationError: Another user has signed in meanwhile.
        """
        with self._lock:
            self.check_free_for(credentials[0])
            token, epoch = SecretStr(result.access_token), self._state.epoch + 1
            self._state = _State(token, result.user, credentials, epoch=epoch)
        self._changed()

    def renew(self, result: SignIn, epoch: int) -> None:
        """Hold the new token of the same user.

        Raises:
            AuthenticationError: The user has signed out meanwhile.
        """
        with self._lock:
            if self._state.epoch != epoch:
                raise AuthenticationError("The user of this client changed while the token was renewed.")
            token = SecretStr(result.access_token)
            self._state = self._state._replace(token=token, user=result.user, is_refused=False)
        self._changed()

    def know(self, user: User, epoch: int) -> None:
        """Keep what is known about the user, unless the client works for somebody else by now."""
        with self._lock:
            before = self._state
            if before.epoch != epoch:
                return
            self._state = before._replace(user=user)
        if user != before.user:
            self._changed()

    def replace(self, token: SecretStr | None, user: User | None) -> None:
        """Hold another token and user, chosen by the caller."""
        with self._lock:
            before = self._state
            if token == before.token:
                self._state = before._replace(user=user)
            else:
                self._state = _State(token, user, epoch=before.epoch + 1)
        if (token, user) != (before.token, before.user):
            self._changed()

    def refuse(self) -> None:
        """Note that the service does not accept the token any more."""
        with self._lock:
            before, self._state = self._state, self._state._replace(is_refused=self._state.token is not None)
        if self._state.is_refused and not before.is_refused:
            self._changed()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Add a listener, and return a function that removes it."""
        key = object()
        self._listeners[key] = listener
        return lambda: self._listeners.pop(key, None) and None

    def _changed(self) -> None:
        change = AuthChange(self.is_authenticated, self.user)
        for listener in list(self._listeners.values()):
            notify(listener, change)


def _same_address(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


# The service


class LumiService(Service):
    """An application's backend: a signature over each request, an envelope around each answer.

    Args:
        base_url: Address of the API.
        project_id: The application.
        session: Who the client works for.
        api_key: Key for text and images.
        sign_key: Key of the signature; without it, requests are not signed.
        top_access_key: Key with full rights, for hosted functions.
        headers: Further headers of every request.
    """

    def __init__(
        self,
        base_url: str,
        project_id: str,
        *,
        session: Session,
        api_key: SecretStr | None,
        sign_key: SecretStr | None,
        top_access_key: SecretStr | None,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__("Lumi", base_url, headers=headers)
        self.project_id = project_id
        self.session = session
        self.api_key = api_key
        self._sign_key = sign_key
        self._top_access_key = top_access_key
        self._platform_path = f"{urlsplit(base_url).path}/lm/"

    def authorise(self, request: Request) -> Request:
        """Return a request with the user's token, and signed anew, but for functions, which sign nothing."""
        url = urlsplit(request.url)
        token = self.session.token
        headers: dict[str, str | SecretStr] = {}
        if not url.path.startswith(self._platform_path):
            names = {name.lower() for name in request.headers}
            if token is not None and "authorization" not in names:  # a header of the caller's wins
                headers["Authorization"] = SecretStr(f"Bearer {token.get_secret_value()}")
            return request.with_headers(headers)
        if token is not None and url.path.removeprefix(self._platform_path) not in AccountRoute.without_token():
            headers["Authorization"] = SecretStr(f"Bearer {token.get_secret_value()}")
        if self._top_access_key is not None:
            headers["X-Top-Access"] = self._top_access_key
        if self._sign_key is not None:
            timestamp = int(time.time())
            nonce = "".join(secrets.choice(string.digits + string.ascii_lowercase) for _ in range(_NONCE_LENGTH))
            signed = signature(
                self._sign_key.get_secret_value(),
                timestamp=timestamp,
                nonce=nonce,
                query=[*parse_qsl(url.query, keep_blank_values=True), *request.query],
                payload=request.content if isinstance(request.content, bytes) else b"",
            )
            headers |= {"x-timestamp": str(timestamp), "x-nonce": nonce, "X-Sign": SecretStr(signed)}
        return request.with_headers(headers)

    def secrets(self) -> tuple[SecretStr, ...]:
        """Return keys, token and the hash of the password."""
        credentials = self.session.credentials
        known = (self.session.token, self.api_key, self._sign_key, self._top_access_key)
        return tuple(secret for secret in (*known, credentials[1] if credentials else None) if secret is not None)

    # Logging in

    def login(self) -> LoginFlow | None:
        """Return a renewal of the token, or None if no password is known."""
        credentials = self.session.credentials
        return None if credentials is None else self._renew(*credentials)

    def _renew(self, email: str, password: SecretStr) -> LoginFlow:
        epoch = self.session.epoch
        try:
            result = yield from login.send(sign_in(self.project_id, email, password))
        except (AuthenticationError, NotFoundError, ValidationError):
            self.session.refuse()
            raise
        self.session.renew(result, epoch)

    # Reading

    def unwrap(self, data: Any) -> Any:
        """Take the result out of ``{"code": 200, "message": ..., "data": ...}``.

        Raises:
            Problem: The code is another one.
            TransportError: There is no code.
        """
        if not is_envelope(data):
            raise TransportError("The answer has no result code. Is api_base_url the address of the Lumi API?")
        if data["code"] != _SUCCESS:
            raise self.problem_of(data)
        return data.get("data")

    def read_error(self, status: int, headers: Mapping[str, str], body: Any) -> Problem:
        """Read an answer that is not 2xx: an envelope, or the words of a function or proxy."""
        if is_envelope(body):
            return self.problem_of(body, status)
        texts = [body.get(key) for key in ("message", "error", "detail")] if isinstance(body, Mapping) else []
        words = next((words for words in texts if isinstance(words, str) and words), "")
        return Problem(shortened(words)) if words else super().read_error(status, headers, body)

    def problem_of(self, envelope: Mapping[str, Any], status: int | None = None) -> Problem:
        """Read an envelope whose code is not 200.

        Args:
            envelope: Code and message.
            status: HTTP status, if it is not 200.
        """
        code, message = envelope["code"], envelope.get("message")
        words = message if isinstance(message, str) else ""
        if code == _TOKEN_INVALID:
            held = self.session.token is not None
            hint = "sign in again" if held else "sign in first"
            kind = SessionExpiredError if held else AuthenticationError
            return Problem(f"{words or 'The token is not valid'}: {hint}", code=str(code), status=401, kind=kind)
        if 400 <= code < 600:
            status = code
        return Problem(words, code=str(code), status=status)

    def result_of(self, call: Call[T], answer: Answer, *, now: float) -> T:
        """Read an answer; note a token that is refused and cannot be renewed.

        What the service writes about a failed login is shown. A login that succeeds is never quoted: it holds a token.
        """
        if call.confidential and is_failure(answer):
            call, answer = call._replace(confidential=False), answer.without(self.secrets())
        try:
            return super().result_of(call, answer, now=now)
        except AuthenticationError as error:
            is_entry = call.path.removeprefix("/lm/") in AccountRoute.without_token()
            if error.status_code != HTTPStatus.UNAUTHORIZED or not call.path.startswith("/lm/") or is_entry:
                raise
            if self.session.credentials is None:
                self.session.refuse()
            if self.session.token is None or isinstance(error, SessionExpiredError):
                raise
            known = {name: getattr(error, name) for name in ("status_code", "request_id", "code", "detail")}
            raise SessionExpiredError(f"{error.message}: sign in again", **known) from None
        except LumnisAIError as error:
            if call.confidential:
                error.__cause__ = error.__context__ = None  # errors of parsers hold the text that they could not parse
            raise


def is_envelope(data: Any) -> bool:
    """Return whether data has the form of an answer of the platform, good or bad."""
    code = data.get("code") if isinstance(data, Mapping) else None
    return isinstance(code, int) and not isinstance(code, bool)


def is_failure(answer: Answer) -> bool:
    """Return whether an answer reports an error, by its status or in its envelope."""
    if not answer.is_success:
        return True
    detail = error_detail(answer)
    return is_envelope(detail) and detail["code"] != _SUCCESS


# Settings


class Settings(NamedTuple):
    """Settings of a client. Their text shows neither keys nor token."""

    service: LumiService
    auth_origin: str | None
    timeout: float
    max_retries: int


def settings_from(
    *,
    project_id: str | None = None,
    api_base_url: str | None = None,
    auth_origin: str | None = None,
    authorization: str | SecretStr | None = None,
    api_key: str | SecretStr | None = None,
    sign_key: str | SecretStr | None = None,
    top_access_key: str | SecretStr | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    max_retries: int = DEFAULT_MAX_RETRIES,
    default_headers: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings, from arguments, then environment variables. An empty key means none."""
    environment = os.environ if environment is None else environment
    check_seconds("timeout", timeout, error=ConfigurationError)
    check_retries(max_retries)
    project = project_id or environment.get("LUMI_PROJECT_ID")
    if not project or not isinstance(project, str) or not project.strip(". "):
        raise ConfigurationError(
            "No project. Set the environment variable LUMI_PROJECT_ID or pass project_id=, the id in the settings of "
            "the Lumi project. Without one, use the embedded service: LocalLumnis().lumi (lumnisai_core.local)."
        )
    address = api_base_url or environment.get("LUMI_API_BASE_URL")
    if not address:
        raise ConfigurationError(
            f"No address. Set the environment variable LUMI_API_BASE_URL or pass api_base_url=, such as {_EXAMPLE}."
        )
    keys = {
        name: usable_secret(name.replace("_", " "), environment.get(variable) if key is None else key)
        for name, variable, key in (
            ("API key", "LUMI_API_KEY", api_key),
            ("signing key", "LUMI_SIGN_KEY", sign_key),
            ("top access key", "TOP_ACCESS_KEY", top_access_key),
        )
    }
    service = LumiService(
        checked_base_url(address, variable="LUMI_API_BASE_URL", example=_EXAMPLE, argument="api_base_url"),
        project.strip(),
        session=Session(usable_token(authorization)),
        api_key=keys["API key"],
        sign_key=keys["signing key"],
        top_access_key=keys["top access key"],
        headers={
            "User-Agent": f"lumnisai-integrations/{VERSION}",
            **usable_headers(default_headers or {}, credentials=_OWN_HEADERS),
        },
    )
    return Settings(service, auth_origin or None, timeout, max_retries)


_OWN_HEADERS = ("authorization", "x-top-access", "x-sign", "x-nonce", "x-timestamp")


def usable_token(authorization: str | SecretStr | None) -> SecretStr | None:
    """Return the token of an ``Authorization`` header, with or without ``Bearer`` in front; None if there is none.

    Raises:
        ConfigurationError: It has characters that a header cannot carry.
    """
    value = authorization.get_secret_value() if isinstance(authorization, SecretStr) else authorization or ""
    if not isinstance(value, str):
        raise ConfigurationError(f"authorization must be a string, not {type(value).__name__}.")
    scheme, _, token = value.strip().partition(" ")
    return usable_secret("token", token if scheme.lower() == "bearer" else value)
