"""Arguments of calls about provider keys: provider, mode, secret and time of expiry. Pure."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime

from pydantic import SecretStr

from lumnisai_core._transport.secrets import plain
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumnis.models.external_api_keys import ApiKeyMode, ApiProvider

_SHORTEST_KEY = 3
_LONGEST_KEY = 2000


def find_provider(value: ApiProvider | str) -> ApiProvider | None:
    """Return the provider with this full or short name in upper or lower case, such as ``openai``; None if unknown."""
    name = str(value).strip().upper()
    for candidate in (name, f"{name}_API_KEY"):
        if candidate in ApiProvider.__members__:
            return ApiProvider[candidate]
        if candidate in tuple(ApiProvider):
            return ApiProvider(candidate)
    return None


def provider_from(value: ApiProvider | str) -> ApiProvider:
    """Return the provider with this full or short name in upper or lower case."""
    provider = find_provider(value) if isinstance(value, str) else None
    if provider is None:
        raise ValidationError(f"provider must be one of {', '.join(ApiProvider)}, not {value!r}.")
    return provider


def mode_from(value: ApiKeyMode | str) -> ApiKeyMode:
    """Return the mode with this name: ``platform``, ``byo_keys`` or ``byo``, or a name of the enum."""
    name = str(value).strip().upper()
    if name != "BYO" and name not in ApiKeyMode.__members__:
        raise ValidationError(f"mode must be one of {', '.join(ApiKeyMode)}, not {value!r}.")
    return ApiKeyMode.BYO_KEYS if name == "BYO" else ApiKeyMode[name]


def usable_secret(api_key: str | SecretStr) -> str:
    """Return a provider's key as a string. Errors do not show it."""
    secret = plain(api_key)
    if not isinstance(secret, str):
        raise ValidationError(f"api_key must be a string, not {type(api_key).__name__}.")
    if len(secret.strip()) < _SHORTEST_KEY or len(secret) > _LONGEST_KEY:
        raise ValidationError(
            f"api_key has {len(secret.strip())} characters; {_SHORTEST_KEY} to {_LONGEST_KEY} are possible."
        )
    return secret


def wire_time(name: str, moment: datetime | str | None) -> str | None:
    """Write a time in ISO 8601; without a zone it is UTC."""
    if moment is None:
        return None
    try:
        parsed = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        return (parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed).isoformat()
    except (ValueError, AttributeError, TypeError):
        raise ValidationError(f"{name} must be a datetime or an ISO 8601 string, not {moment!r}.") from None


def warn_of_user(user_id: object) -> None:
    """Warn callers who pass a user, as older documentation says, that keys belong to the tenant."""
    if user_id is not None:
        warnings.warn(
            "Keys belong to the whole tenant: user_id is ignored, leave it out.", DeprecationWarning, stacklevel=3
        )
