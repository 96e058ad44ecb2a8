"""Reading how callers name providers and modes of keys. Pure."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime

from pydantic import SecretStr

from lumnisai_core._transport.secrets import plain
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumnis.models.external_api_keys import ApiKeyMode, ApiProvider

_SHORTEST_KEY = 3
_LONGEST_KEY = 2000

_OTHER_MODES = {"byo": ApiKeyMode.BYO_KEYS}


def find_provider(value: ApiProvider | str) -> ApiProvider | None:
    """Read a provider from its full name or the short one, in any case: ``OPENAI_API_KEY``, ``openai``."""
    name = str(value).strip().upper()
    for candidate in (name, f"{name}_API_KEY"):
        if candidate in ApiProvider.__members__:
            return ApiProvider[candidate]
        if candidate in tuple(ApiProvider):
            return ApiProvider(candidate)
    return None


def provider_from(value: ApiProvider | str) -> ApiProvider:
    """Read a provider from its full name or the short one, in any case.

    Raises:
        ValidationError: There is no such provider.
    """
    found = find_provider(value) if isinstance(value, str) else None
    if found is None:
        raise ValidationError(f"provider must be one of {', '.join(ApiProvider)}, not {value!r}.")
    return found


def mode_from(value: ApiKeyMode | str) -> ApiKeyMode:
    """Read whose keys are used: ``platform`` or ``byo_keys``, also as ``byo``, and by the names of the enum.

    Raises:
        ValidationError: It is none of these.
    """
    name = str(value).strip()
    found = _OTHER_MODES.get(name.lower()) or ApiKeyMode.__members__.get(name.upper())
    if found is None:
        raise ValidationError(f"mode must be one of {', '.join(ApiKeyMode)}, not {value!r}.")
    return found


def usable_secret(api_key: str | SecretStr) -> str:
    """Return the text of a provider's key. What is wrong with it is said without showing it.

    Raises:
        ValidationError: It is no text, or too short or too long to be a key.
    """
    secret = plain(api_key)
    if not isinstance(secret, str):
        raise ValidationError(f"api_key must be a text, not {type(api_key).__name__}.")
    if len(secret.strip()) < _SHORTEST_KEY or len(secret) > _LONGEST_KEY:
        raise ValidationError(
            f"api_key has {len(secret.strip())} characters; {_SHORTEST_KEY} to {_LONGEST_KEY} are possible."
        )
    return secret


def wire_time(name: str, moment: datetime | str | None) -> str | None:
    """Write a moment; one without a zone is UTC.

    Raises:
        ValidationError: It is no moment.
    """
    if moment is None:
        return None
    try:
        read = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        return (read.replace(tzinfo=UTC) if read.tzinfo is None else read).isoformat()
    except (ValueError, AttributeError, TypeError):
        raise ValidationError(f"{name} must be a datetime or an ISO 8601 text, not {moment!r}.") from None


def warn_of_user(user_id: object) -> None:
    """Tell callers of the older form that keys belong to the tenant."""
    if user_id is not None:
        warnings.warn(
            "Keys belong to the whole tenant: user_id is ignored, leave it out.", DeprecationWarning, stacklevel=3
        )
