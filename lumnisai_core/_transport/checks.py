"""Arguments checked and written before anything is sent; what cannot be sent is a ValidationError. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import SecretStr

from lumnisai_core.exceptions import ConfigurationError, ValidationError

EnumT = TypeVar("EnumT", bound=StrEnum)


def not_none(**values: Any) -> dict[str, Any]:
    """Return the values that are not None, by name."""
    return {name: value for name, value in values.items() if value is not None}


def changes(what: str, **values: Any) -> dict[str, Any]:
    """Return the values of an update that are not None."""
    body = not_none(**values)
    if not body:
        raise ValidationError(f"Nothing to change in the {what}: pass at least one of {', '.join(values)}.")
    return body


def member(kind: type[EnumT], name: str, value: EnumT | str) -> EnumT:
    """Read a member of an enum from itself or its text, in any case."""
    members = {known.value.lower(): known for known in kind}
    found = members.get(value.strip().lower()) if isinstance(value, str) else None
    if found is None:
        raise ValidationError(f"{name} must be one of {', '.join(kind)}, not {value!r}.")
    return found


def optional_member(kind: type[EnumT], name: str, value: EnumT | str | None) -> EnumT | None:
    """Read a member of an enum, or None."""
    return None if value is None else member(kind, name, value)


def text(name: str, value: str, *, longest: int | None = None) -> str:
    """Accept a string that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise ValidationError(f"{name} must be a non-empty string, not {value!r}.")
    if longest is not None and len(value) > longest:
        raise ValidationError(f"{name} has {len(value)} characters; at most {longest} are possible.")
    return value


def optional_text(name: str, value: str | None, *, longest: int | None = None) -> str | None:
    """Accept a string that is not blank, or None."""
    return None if value is None else text(name, value, longest=longest)


def number_between(name: str, value: float, lowest: float, highest: float) -> float:
    """Accept a number within a range."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
        raise ValidationError(f"{name} must be a number from {lowest} to {highest}, not {value!r}.")
    return value


def whole_number_between(name: str, value: int, lowest: int, highest: int) -> int:
    """Accept a whole number within a range."""
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise ValidationError(f"{name} must be a whole number from {lowest} to {highest}, not {value!r}.")
    return value


def texts(name: str, values: Iterable[object], *, most: int | None = None) -> list[str]:
    """Accept at least one string or id, such as file ids; a single string is taken for a mistake."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise ValidationError(f"{name} must be a list of strings, not {values!r}.")
    rows = [text(f"{name}[{index}]", str(value)) for index, value in enumerate(values)]
    if not rows:
        raise ValidationError(f"{name} is empty: pass at least one.")
    if most is not None and len(rows) > most:
        raise ValidationError(f"{name} has {len(rows)} entries; at most {most} are possible.")
    return rows


def optional_texts(name: str, values: Sequence[str] | None) -> list[str] | None:
    """Accept at least one string, or None."""
    return None if values is None else texts(name, values)


def path(template: str, *parameters: object) -> str:
    """Fill the ``{}`` of a path with percent-encoded parameters, so that no id can change the route."""
    encoded = []
    for parameter in parameters:
        text = str(parameter)
        if not text.strip(". "):
            raise ValidationError(f"{text!r} is not a usable id for {template}: pass the id that the service returned.")
        encoded.append(quote(text, safe="", errors="surrogatepass"))
    return template.format(*encoded)


def check_seconds(
    name: str, value: object, *, endless: bool = False, error: type[ValidationError] = ValidationError
) -> None:
    """Check that a value is a positive number of seconds.

    Args:
        name: Name of the argument, for the message.
        value: The argument.
        endless: Whether infinity is accepted.
        error: Class of the error.

    Raises:
        ValidationError: The value is not a number, not positive, or not finite.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not value > 0 or (value == math.inf and not endless):  # type: ignore[operator]
        raise error(f"{name} must be a positive number of seconds, not {value!r}.")


# Settings of clients


def check_retries(max_retries: object) -> None:
    """Check a number of retries.

    Raises:
        ConfigurationError: It is not a whole number, or negative.
    """
    if isinstance(max_retries, bool) or not isinstance(max_retries, int) or max_retries < 0:
        raise ConfigurationError(f"max_retries must be a whole number, at least 0, not {max_retries!r}.")


def usable_secret(what: str, value: str | SecretStr | None) -> SecretStr | None:
    """Return a key or token without blanks around it, or None if there is none.

    Args:
        what: What it is, for the message, such as ``API key``.
        value: The argument.

    Raises:
        ConfigurationError: It has characters that a header cannot carry.
    """
    key = (value.get_secret_value() if isinstance(value, SecretStr) else value or "").strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError(
            f"The {what} contains characters that cannot be part of one (blanks, line ends or non-ASCII): "
            "check how it was copied."
        )
    return SecretStr(key) if key else None


_OWN_HEADERS = frozenset({"content-length", "content-type", "cookie", "host", "idempotency-key"})


def usable_headers(headers: Mapping[str, str], *, credentials: Iterable[str]) -> dict[str, str]:
    """Check a caller's own headers for every request.

    Args:
        headers: The headers.
        credentials: Headers of the service's credentials, in lower case, which may not be among them.

    Raises:
        ConfigurationError: A header is not text, or the client sets it itself.
    """
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise ConfigurationError(f"default_headers must map strings to strings, not {name!r} to {value!r}.")
        if name.lower() in _OWN_HEADERS.union(credentials):
            raise ConfigurationError(f"default_headers must not set {name}, which the client sets itself.")
        if not (name + value).isprintable() or not name.isascii() or not value.isascii() or not name.strip():
            raise ConfigurationError(f"default_headers must be printable ASCII, which the entry {name!r} is not.")
    return dict(headers)


# Pages of lists

#: Most items on a page.
LARGEST_PAGE = 100


def page_query(*, limit: int, offset: int) -> dict[str, int]:
    """Return the query of one page of a list with limit and offset.

    Raises:
        ValidationError: The limit or offset is out of range.
    """
    if not 1 <= limit <= LARGEST_PAGE:
        raise ValidationError(f"limit must be 1 to {LARGEST_PAGE}, not {limit!r}.")
    if offset < 0:
        raise ValidationError(f"offset must be 0 or more, not {offset!r}.")
    return {"limit": limit, "offset": offset}


def numbered_page_query(*, page: int, page_size: int, size_name: str = "page_size") -> dict[str, int]:
    """Return the query of one page of a list whose pages are numbered from 1.

    Args:
        page: Number of the page.
        page_size: Entries on the page.
        size_name: The route's name for the size.

    Raises:
        ValidationError: The number or size is out of range.
    """
    if page < 1:
        raise ValidationError(f"page must be 1 or more, not {page!r}.")
    if not 1 <= page_size <= LARGEST_PAGE:
        raise ValidationError(f"{size_name} must be 1 to {LARGEST_PAGE}, not {page_size!r}.")
    return {"page": page, size_name: page_size}
