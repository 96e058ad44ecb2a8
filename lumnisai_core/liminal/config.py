"""The Liminal service and the settings of its clients: logins, the session cookie, envelopes, errors."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol, TypeVar

from pydantic import SecretStr

from lumnisai_core._transport import login
from lumnisai_core._transport.answer import Answer, Problem, error_detail, error_for, shortened
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.checks import check_retries, check_seconds, usable_headers, usable_secret
from lumnisai_core._transport.login import LoginFlow
from lumnisai_core._transport.request import Request
from lumnisai_core._transport.service import Service, checked_base_url
from lumnisai_core._version import VERSION
from lumnisai_core.exceptions import (
    AuthenticationError,
    ConfigurationError,
    LumnisAIError,
    PolicyBlockedError,
    SessionExpiredError,
)
from lumnisai_core.liminal.device_code import DeviceCodeFlowProvider

T = TypeVar("T")

DEFAULT_TIMEOUT = 60.0
DEFAULT_MAX_RETRIES = 3

_EXAMPLE = "https://api.my-tenant.liminal.ai"
_TOKEN_HEADER = "x-test-automation-api-key"  # noqa: S105 - the name of a header
_LOGINS = "/api/v1/auth/"
_PROMPTS = "/api/v1/prompts/"
#: Routes whose answers quote prompts, answers or credentials, and may do so in errors.
_SENSITIVE = (_LOGINS, _PROMPTS, "/api/v1/threads")


class AuthProvider(Protocol):
    """Gets access tokens of an identity provider, for instance from a company's own login."""

    def get_access_token(self) -> str | Awaitable[str]:
        """Return a fresh access token. The blocking client needs a plain function."""
        ...


class LiminalService(Service):
    """The privacy gateway: a login that gives a session cookie, an envelope around each answer.

    Args:
        base_url: Address of the tenant's host.
        token: Environment token to log in with.
        session_id: Session to use until it is refused.
        auth_provider: Gets access tokens to log in with.
        headers: Further headers of every request.
    """

    sends_cookies = True

    def __init__(
        self,
        base_url: str,
        *,
        token: SecretStr | None,
        session_id: SecretStr | None,
        auth_provider: AuthProvider | DeviceCodeFlowProvider | None,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__("Liminal", base_url, headers=headers)
        self._token = token
        self._provider = auth_provider
        self._session = session_id.get_secret_value() if session_id else None

    @property
    def session_id(self) -> str | None:
        """The session, or None before the first login."""
        return self._session

    # Logging in

    @property
    def needs_login(self) -> bool:
        """Whether there is no session yet."""
        return self._session is None

    def login(self) -> LoginFlow | None:
        """Return a new login, or None if only a session id is known."""
        if self._provider is not None:
            return self._login_by_provider(self._provider)
        if self._token is not None:
            return self._open_session("POST", "test-automation/login", {_TOKEN_HEADER: self._token})
        return None

    def _login_by_provider(self, provider: AuthProvider | DeviceCodeFlowProvider) -> LoginFlow:
        if isinstance(provider, DeviceCodeFlowProvider):
            token = yield from provider.access_token()
        else:
            token = yield from login.invoke(provider.get_access_token)
        if not isinstance(token, str) or usable_secret("access token", token) is None:
            raise AuthenticationError(f"{type(provider).__name__}.get_access_token() returned no token.")
        yield from self._open_session(
            "GET", "login/oauth/access-token", {"Authorization": SecretStr(f"Bearer {token.strip()}")}
        )

    def _open_session(self, method: str, route: str, headers: Mapping[str, SecretStr]) -> LoginFlow:
        self._session = yield from login.send(
            Call(
                method,
                _LOGINS + route,
                _session_of,
                headers=headers,
                authorised=False,
                idempotent=True,
                whole_answer=True,
                confidential=True,
            )
        )

    def authorise(self, request: Request) -> Request:
        """Return a request with the session cookie."""
        return request.with_headers({"Cookie": SecretStr(f"session={self._session}")})

    def secrets(self) -> tuple[str, ...]:
        """Return the session and the token."""
        token = self._token.get_secret_value() if self._token else None
        return tuple(secret for secret in (self._session, token) if secret)

    # Reading

    def received(self, answer: Answer) -> None:
        """Adopt a new session cookie."""
        self._session = answer.cookie("session") or self._session

    def unwrap(self, data: Any) -> Any:
        """Take the result out of ``{"data": ...}``, which releases before 2024.5 do not have."""
        return data["data"] if isinstance(data, Mapping) and "data" in data else data

    def read_error(self, status: int, headers: Mapping[str, str], body: Any) -> Problem:
        """Read an answer that is not 2xx: the service's own text."""
        texts = [body.get(key) for key in ("message", "error", "detail")] if isinstance(body, Mapping) else []
        text = next((text for text in texts if isinstance(text, str) and text), "")
        return Problem(shortened(text)) if text else super().read_error(status, headers, body)

    def result_of(self, call: Call[T], answer: Answer, *, now: float) -> T:
        """Read an answer. Errors quote the service's text only where it cannot hold a prompt, an answer or a token."""
        if call.base_url is None and not answer.is_success:
            answer = answer.without(self.secrets())
            detail = error_detail(answer)
            problem = refusal(call.path, answer.status, detail)
            if call.path.startswith(_SENSITIVE):
                detail = None
            elif not problem.message:
                problem = self.read_error(answer.status, answer.headers, detail)
            raise error_for(call._replace(confidential=False), answer, problem, detail, now=now)
        try:
            return super().result_of(call, answer, now=now)
        except LumnisAIError as error:
            if call.confidential:
                without_causes(error)
            raise


def without_causes(error: LumnisAIError) -> None:
    """Remove the errors behind an error: those of parsers hold the text that they could not parse."""
    error.__cause__ = error.__context__ = None


def _session_of(answer: Answer) -> str:
    session = answer.cookie("session")
    if not session:
        raise AuthenticationError(
            "The answer to the login sets no session cookie: is the base URL that of the service?",
            status_code=answer.status,
            request_id=answer.request_id,
        )
    return session


def refusal(path: str, status: int, body: Any = None) -> Problem:
    """Return what a refusal means, in our own words.

    Args:
        path: Path of the request.
        status: HTTP status.
        body: Parsed JSON or text of the answer, which is looked at and never quoted.
    """
    if path.startswith(_LOGINS) and status in (401, 403):
        return Problem("Liminal refused the login: check the token or the account.", kind=AuthenticationError)
    if status == HTTPStatus.UNAUTHORIZED:
        text = "the session has expired or is not valid. Log in again, or pass token= or auth_provider= for renewal."
        return Problem(text, kind=SessionExpiredError)
    if path.startswith(_PROMPTS):
        about_policy = status in (400, 409, 422, 451) and re.search(r"polic|block", str(body), re.IGNORECASE)
        if status == HTTPStatus.FORBIDDEN or about_policy:
            text = "the policy of the model instance blocks this prompt; prompt.analyze() returns the findings."
            return Problem(text, kind=PolicyBlockedError)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Problem("the text is too large for the service.")
    if status == HTTPStatus.NOT_FOUND:
        return Problem("there is no such model instance or thread for this user.")
    return Problem()


class Settings(NamedTuple):
    """Settings of a client. Their text shows neither token nor session."""

    service: LiminalService
    timeout: float
    max_retries: int


def settings_from(
    *,
    base_url: str | None = None,
    token: str | SecretStr | None = None,
    session_id: str | SecretStr | None = None,
    auth_provider: AuthProvider | DeviceCodeFlowProvider | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    max_retries: int = DEFAULT_MAX_RETRIES,
    default_headers: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings. Credentials come all from the arguments or all from the environment, never mixed."""
    environment = os.environ if environment is None else environment
    check_seconds("timeout", timeout, error=ConfigurationError)
    check_retries(max_retries)
    address = base_url or environment.get("LIMINAL_API_SERVER_URL")
    if not address:
        raise ConfigurationError(
            f"No address. Set the environment variable LIMINAL_API_SERVER_URL or pass base_url=, such as {_EXAMPLE}. "
            "Without a tenant, use the embedded service: LocalLumnis().liminal.base_url (lumnisai_core.local)."
        )
    if auth_provider is not None and not (
        isinstance(auth_provider, DeviceCodeFlowProvider) or callable(getattr(auth_provider, "get_access_token", None))
    ):
        raise ConfigurationError(f"auth_provider must have get_access_token(), which {type(auth_provider)} has not.")
    if not (token or session_id or auth_provider):
        token, session_id = environment.get("LIMINAL_TOKEN"), environment.get("LIMINAL_SESSION_ID")
        tenant, application = (environment.get(f"LIMINAL_ENTRA_{name}_ID") for name in ("TENANT", "CLIENT"))
        if not token and tenant and application:
            auth_provider = DeviceCodeFlowProvider(tenant, application)
    if token and auth_provider:
        raise ConfigurationError("token and auth_provider are two ways to log in: pass one of them.")
    known_token, session = usable_secret("token", token), usable_secret("session id", session_id)
    if not (known_token or session or auth_provider):
        raise ConfigurationError(
            "No way to log in. Pass token=, session_id= or auth_provider=, or set LIMINAL_TOKEN, LIMINAL_SESSION_ID or "
            "LIMINAL_ENTRA_TENANT_ID and LIMINAL_ENTRA_CLIENT_ID."
        )
    own_headers = usable_headers(default_headers or {}, credentials=("authorization", _TOKEN_HEADER))
    service = LiminalService(
        checked_base_url(address, variable="LIMINAL_API_SERVER_URL", example=_EXAMPLE),
        token=known_token,
        session_id=session,
        auth_provider=auth_provider,
        headers={"User-Agent": f"lumnisai-integrations/{VERSION}", **own_headers},
    )
    return Settings(service, timeout, max_retries)
