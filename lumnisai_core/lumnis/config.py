"""The Lumnis service and the settings of its clients: errors, arguments and environment, the user of a call. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar
from uuid import UUID

from pydantic import SecretStr

from lumnisai_core._transport.answer import Answer, Problem, compact_json, shortened
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.checks import check_retries, check_seconds, usable_headers, usable_secret
from lumnisai_core._transport.service import Service, checked_base_url
from lumnisai_core._version import VERSION
from lumnisai_core.exceptions import ConfigurationError, MissingUserId, TenantScopeUserIdConflict
from lumnisai_core.lumnis.calls.keys import CreatedRun
from lumnisai_core.lumnis.models.requests import Scope

T = TypeVar("T")


class LumnisService(Service):
    """The agent platform: an API key in a header, and errors in five shapes."""

    #: Together with GET, all methods but POST can be repeated. These set a state and are sent with a key of their own.
    keyed_methods: ClassVar[frozenset[str]] = frozenset({"PUT", "PATCH", "DELETE"})

    def read_error(self, status: int, headers: Mapping[str, str], body: Any) -> Problem:
        """Read an answer that is not 2xx."""
        message, code = error_message(body) if isinstance(body, Mapping) else ("", None)
        return Problem(message, code=code) if message or code else super().read_error(status, headers, body)

    def result_of(self, call: Call[T], answer: Answer, *, now: float) -> T:
        """Read an answer as the result of a call; that to the creation of a run also has the time by its clock."""
        if isinstance(call.read, CreatedRun):
            call.read.date = answer.headers.get("date", "")
        return super().result_of(call, answer, now=now)


def error_message(body: Mapping[str, Any]) -> tuple[str, str | None]:
    """Find the text and the code in an error body; both are empty if it has none of the known shapes.

    These are ``{"error": {"code", "message"}}``, ``{"detail": "text"}``, ``{"detail": [{"loc", "msg"}]}``,
    ``{"detail": {"error": {...}}}`` and ``{"message": "text"}``.
    """
    for key in ("error", "detail"):
        inner = body.get(key)
        if isinstance(inner, Mapping):
            message, code = error_message(inner)
            own = inner.get("code")
            return message or (compact_json(inner) if inner else ""), code or (None if own is None else str(own))
        if isinstance(inner, str) and inner:
            return shortened(inner), None
        if isinstance(inner, list) and inner:
            return "; ".join(_problem_text(problem) for problem in inner), None
    text = body.get("message")
    return (shortened(text) if isinstance(text, str) else ""), None


def _problem_text(problem: Any) -> str:
    if not isinstance(problem, Mapping):
        return shortened(str(problem))
    location = problem.get("loc")
    place = ".".join(str(step) for step in location) if isinstance(location, list) else ""
    text = str(problem.get("msg") or compact_json(problem))
    return f"{place}: {text}" if place else text


DEFAULT_BASE_URL = "https://api.lumnis.ai"
DEFAULT_TIMEOUT = 30.0
DEFAULT_MAX_RETRIES = 3

#: Header and prefix of the key, by value of ``auth``.
_CREDENTIALS = {"bearer": ("Authorization", "Bearer "), "x-api-key": ("X-API-Key", "")}


class Settings(NamedTuple):
    """Settings of a client, with the meaning of its arguments. Their text never shows the API key."""

    service: LumnisService
    tenant_id: str | None = None
    timeout: float = DEFAULT_TIMEOUT
    max_retries: int = DEFAULT_MAX_RETRIES
    scope: Scope = Scope.USER
    user_id: str | None = None


def settings_from(
    *,
    api_key: str | SecretStr | None = None,
    base_url: str | None = None,
    tenant_id: str | UUID | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    max_retries: int = DEFAULT_MAX_RETRIES,
    scope: Scope | str = Scope.USER,
    user_id: str | UUID | None = None,
    auth: Literal["bearer", "x-api-key"] = "bearer",
    default_headers: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings: an argument wins over the environment, the environment over the default."""
    environment = os.environ if environment is None else environment
    check_seconds("timeout", timeout, error=ConfigurationError)
    check_retries(max_retries)
    if auth not in _CREDENTIALS:
        raise ConfigurationError(f"auth must be 'bearer' or 'x-api-key', not {auth!r}.")
    header, prefix = _CREDENTIALS[auth]
    address = base_url or environment.get("LUMNISAI_BASE_URL") or DEFAULT_BASE_URL
    service = LumnisService(
        "Lumnis",
        checked_base_url(address, variable="LUMNISAI_BASE_URL", example=DEFAULT_BASE_URL),
        credential=_usable_key(api_key or environment.get("LUMNISAI_API_KEY")),
        credential_header=header,
        credential_prefix=prefix,
        headers={
            "User-Agent": f"lumnisai-integrations/{VERSION}",
            **usable_headers(default_headers or {}, credentials=("authorization", "x-api-key")),
        },
    )
    tenant = str(tenant_id or environment.get("LUMNISAI_TENANT_ID") or "") or None
    return Settings(service, tenant, timeout, max_retries, scope_from(scope), user_id_from(user_id))


def check_settings(
    *,
    api_key: str | SecretStr | None = None,
    base_url: str | None = None,
    tenant_id: str | UUID | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    max_retries: int = DEFAULT_MAX_RETRIES,
) -> None:
    """Check the settings of a client without making one, before clients are made later or elsewhere.

    The arguments are those of :class:`Client`.

    Raises:
        ConfigurationError: No API key, or a value that cannot work.
    """
    settings_from(api_key=api_key, base_url=base_url, tenant_id=tenant_id, timeout=timeout, max_retries=max_retries)


def _usable_key(api_key: str | SecretStr | None) -> SecretStr:
    key = usable_secret("API key", api_key)
    if key is None:
        raise ConfigurationError(
            "No API key. Set the environment variable LUMNISAI_API_KEY or pass api_key=. Without an account, use the "
            "embedded service: `with LocalLumnis() as local: Client(api_key=local.api_key, base_url=local.base_url)` "
            '(from lumnisai_core.local import LocalLumnis; pip install "lumnisai-integrations[local]").'
        )
    return key


def scope_from(scope: Scope | str) -> Scope:
    """Read a scope from the enum or its text."""
    try:
        return Scope(scope)
    except ValueError:
        raise ConfigurationError(f"scope must be 'user' or 'tenant', not {scope!r}.") from None


def user_id_from(user_id: str | UUID | None) -> str | None:
    """Read a user id: a UUID, an e-mail address or any other string the caller's system uses."""
    if user_id is None or isinstance(user_id, UUID):
        return None if user_id is None else str(user_id)
    if not isinstance(user_id, str) or not user_id.strip():
        raise ConfigurationError(
            f"user_id must be a UUID or a non-empty string such as an e-mail address, not {user_id!r}."
        )
    return user_id


def settings_for_user(settings: Settings, user_id: str | UUID) -> Settings:
    """Return the settings of a client for one user."""
    named = user_id_from(user_id)
    if named is None:
        raise ConfigurationError("user_id must be a UUID or a non-empty string, not None: pass the client's user.")
    return settings._replace(scope=Scope.USER, user_id=named)


def user_of_call(
    settings: Settings, *, user_id: str | UUID | None = None, scope: Scope | str | None = None
) -> str | None:
    """Return the id of the user that a call is for, or None for the tenant's own view.

    Raises:
        MissingUserId: User scope and no user.
        TenantScopeUserIdConflict: Tenant scope and a user.
    """
    named = user_id_from(user_id)
    if (settings.scope if scope is None else scope_from(scope)) is Scope.TENANT:
        # A client made for a user may still take the tenant's view in one call.
        conflicting = named or (settings.user_id if scope is None else None)
        if conflicting is not None:
            raise TenantScopeUserIdConflict(
                f"user_id {conflicting!r} does not go with tenant scope. Leave user_id out, or use scope=Scope.USER."
            )
        return None
    user = named or settings.user_id
    if user is None:
        raise MissingUserId(
            "User scope (the default) needs a user. Pass user_id=..., use client.for_user(...), or make the client "
            "with scope=Scope.TENANT to work on the whole tenant."
        )
    return user
