"""The Lucidic service and the settings of its clients: regions, the key, the agent, errors."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar

from pydantic import SecretStr

from lumnisai_core._transport.answer import Answer, Problem, compact_json, error_detail, error_for
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.checks import check_retries, check_seconds, usable_headers, usable_secret
from lumnisai_core._transport.request import Request
from lumnisai_core._transport.retry import RetryPolicy
from lumnisai_core._transport.service import Service, checked_base_url
from lumnisai_core._transport.wire import logger
from lumnisai_core._version import VERSION
from lumnisai_core.exceptions import (
    APIKeyVerificationError,
    ConfigurationError,
    FeatureFlagError,
    LumnisAIError,
    PromptError,
)

T = TypeVar("T")

REGIONS = {"us": "https://backend.lucidic.ai/api", "india": "https://in.backend.lucidic.ai/api"}

DEFAULT_TIMEOUT = 30.0
DEFAULT_MAX_RETRIES = 3

#: For requests that are sent once, whatever happens.
NO_RETRY = RetryPolicy(max_retries=0)

#: Payloads whose compact JSON is longer are sent as a preview and a compressed upload.
BLOB_THRESHOLD = 65_536

#: Routes whose 404 has an error class of its own.
_NOT_FOUND: dict[str, type[LumnisAIError]] = {
    "/sdk/prompts": PromptError,
    "/featureflags": FeatureFlagError,
    "/evaluatefeatureflag": FeatureFlagError,
    "/evaluatefeatureflagstateless": FeatureFlagError,
}


class LucidicService(Service):
    """The observability service: a key and an agent in headers, a time stamp in each body.

    Args:
        base_url: Address of the region.
        api_key: The key.
        agent_id: The agent that all requests are about.
        headers: Further headers of every request.
    """

    def __init__(self, base_url: str, *, api_key: SecretStr, agent_id: str, headers: Mapping[str, str]) -> None:
        super().__init__(
            "Lucidic",
            base_url,
            credential=api_key,
            credential_prefix="Api-Key ",
            headers=headers,
        )
        self.agent_id = agent_id

    def request_for(self, call: Call[Any], *, timeout: float) -> Request:
        """Write a call as a request whose body says when it was made."""
        if call.base_url is None and isinstance(call.body, Mapping):
            call = call._replace(body={**call.body, "current_time": datetime.now(UTC).isoformat()})
        return super().request_for(call, timeout=timeout)

    def authorise(self, request: Request) -> Request:
        """Return a request with the key and the agent, which uploads to addresses of their own do without."""
        return super().authorise(request).with_headers({"x-agent-id": self.agent_id})

    def read_error(self, status: int, headers: Mapping[str, str], body: Any) -> Problem:
        """Read an answer that is not 2xx: one of the service's three shapes of an error."""
        kind = APIKeyVerificationError if status in (401, 403) else None
        if status == HTTPStatus.PAYMENT_REQUIRED:
            return Problem("the account is out of credits.")
        if not isinstance(body, Mapping):
            return Problem(super().read_error(status, headers, body).message, kind=kind)
        error = body.get("error")
        if isinstance(error, Mapping):
            code, text = error.get("code"), error.get("detail") or error.get("message")
            return Problem(_text(text or error), code=code if isinstance(code, str) else None, kind=kind)
        return Problem(_text(error or body.get("detail") or body.get("errors") or body), kind=kind)

    def result_of(self, call: Call[T], answer: Answer, *, now: float) -> T:
        """Read an answer. An empty one is an empty object; a 404 may have an error class of its own."""
        kind = _NOT_FOUND.get(call.path)
        if answer.status == HTTPStatus.NOT_FOUND and kind is not None and call.base_url is None:
            detail = error_detail(answer)
            problem = self.read_error(answer.status, answer.headers, detail)
            problem.kind = kind
            raise error_for(call, answer, problem, detail, now=now)
        return super().result_of(call, answer, now=now)

    def unwrap(self, data: Any) -> Any:
        """Return the data; nothing at all stands for an empty object."""
        return {} if data is None else data


def _text(value: Any) -> str:
    return value if isinstance(value, str) else compact_json(value)


class Settings(NamedTuple):
    """Settings of a client. Their text does not show the key."""

    service: LucidicService
    timeout: float
    max_retries: int
    masking: Callable[[str], str] | None = None
    blob_threshold: int = BLOB_THRESHOLD

    @property
    def agent_id(self) -> str:
        """The agent that all requests are about."""
        return self.service.agent_id


def settings_from(
    *,
    api_key: str | SecretStr | None = None,
    agent_id: str | None = None,
    base_url: str | None = None,
    region: str | None = None,
    timeout: float | None = None,
    max_retries: int | None = None,
    masking_function: Callable[[str], str] | None = None,
    default_headers: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings: arguments first, then the environment, then defaults."""
    environment = os.environ if environment is None else environment
    key = usable_secret("API key", api_key or environment.get("LUCIDIC_API_KEY"))
    if key is None:
        raise ConfigurationError("No API key. Set the environment variable LUCIDIC_API_KEY or pass api_key=.")
    agent = (agent_id or environment.get("LUCIDIC_AGENT_ID") or "").strip()
    if not agent:
        raise ConfigurationError("No agent id. Set the environment variable LUCIDIC_AGENT_ID or pass agent_id=.")
    if not agent.isascii() or not agent.isprintable():
        raise ConfigurationError(f"agent_id must be printable ASCII, not {agent!r}: check how it was copied.")
    if timeout is None:
        timeout = _number("LUCIDIC_TIMEOUT", environment, DEFAULT_TIMEOUT)
    if max_retries is None:
        max_retries = int(_number("LUCIDIC_MAX_RETRIES", environment, DEFAULT_MAX_RETRIES))
    check_seconds("timeout", timeout, error=ConfigurationError)
    check_retries(max_retries)
    if masking_function is not None and not callable(masking_function):
        raise ConfigurationError(f"masking_function must be a function from string to string: {masking_function!r}.")
    service = LucidicService(
        _address(base_url, region, environment),
        api_key=key,
        agent_id=agent,
        headers={
            "User-Agent": f"lumnisai-integrations/{VERSION}",
            **usable_headers(default_headers or {}, credentials=("authorization", "x-agent-id")),
        },
    )
    threshold = int(_number("LUCIDIC_BLOB_THRESHOLD", environment, BLOB_THRESHOLD))
    if threshold < 1024:
        raise ConfigurationError(f"LUCIDIC_BLOB_THRESHOLD must be at least 1024 bytes, not {threshold}.")
    return Settings(service, timeout, max_retries, masking_function, threshold)


def _address(base_url: str | None, region: str | None, environment: Mapping[str, str]) -> str:
    if base_url and region:
        logger.warning("base_url and region were both passed to Lucidic: the region is ignored.")
    if not base_url and not region:
        base_url = environment.get("LUCIDIC_BASE_URL")
    if base_url:
        return checked_base_url(base_url, variable="LUCIDIC_BASE_URL", example=REGIONS["us"])
    name = region or environment.get("LUCIDIC_REGION") or "us"
    if name.lower() not in REGIONS:
        raise ConfigurationError(f"region must be one of {', '.join(REGIONS)}, not {name!r} (or pass base_url=).")
    return REGIONS[name.lower()]


def _number(variable: str, environment: Mapping[str, str], default: float) -> float:
    text = environment.get(variable)
    if not text:
        return default
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(f"{variable} must be a number, not {text!r}.") from None


def flag(variable: str, environment: Mapping[str, str], *, default: bool) -> bool:
    """Read an environment variable that is true or false."""
    text = environment.get(variable, "").strip().lower()
    if text in ("", "1", "true", "yes", "on", "0", "false", "no", "off"):
        return text in ("1", "true", "yes", "on") if text else default
    raise ConfigurationError(f"{variable} must be true or false, not {text!r}.")
