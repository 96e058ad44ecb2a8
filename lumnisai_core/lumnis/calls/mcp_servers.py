"""Arguments of calls about MCP servers: how a server is reached, with its secrets. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lumnisai_core._transport.checks import member, not_none, optional_text
from lumnisai_core._transport.secrets import Concealed
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumnis.models.mcp_servers import MCPTransport

_LONGEST_COMMAND = 255
_LONGEST_DESCRIPTION = 1000
_LONGEST_URL = 1024


def connection_body(
    *,
    transport: MCPTransport | str,
    command: str | None,
    args: Sequence[str] | None,
    url: str | None,
    env: Mapping[str, str] | None,
    headers: Mapping[str, str] | None,
) -> dict[str, Any]:
    """Write how a server is reached. The text of the result shows nothing, because it can contain secrets."""
    kind = member(MCPTransport, "transport", transport)
    if kind is MCPTransport.STDIO:
        if command is None:
            raise ValidationError("A stdio server needs command=, the program to start.")
    elif url is None:
        raise ValidationError(f"A {kind} server needs url=, its address.")
    return Concealed(
        transport=str(kind),
        **not_none(
            command=optional_text("command", command, longest=_LONGEST_COMMAND),
            args=_usable_args(args),
            url=usable_url(url),
            env=usable_map("env", env),
            headers=usable_map("headers", headers),
        ),
    )


def usable_description(description: str | None) -> str | None:
    """Return the description of a server, which may be empty."""
    if description is not None and len(description) > _LONGEST_DESCRIPTION:
        raise ValidationError(
            f"description has {len(description)} characters; at most {_LONGEST_DESCRIPTION} are possible."
        )
    return description


def usable_url(url: str | None) -> str | None:
    """Return the address of a server."""
    usable = optional_text("url", url, longest=_LONGEST_URL)
    if usable is not None and not usable.lower().startswith(("http://", "https://")):
        raise ValidationError("url must begin with http:// or https://.")
    return usable


def _usable_args(args: Sequence[str] | None) -> list[str] | None:
    if args is None:
        return None
    if isinstance(args, str) or not all(isinstance(arg, str) for arg in args):
        raise ValidationError("args must be a list of strings.")
    return list(args)


def usable_map(name: str, values: Mapping[str, str] | None) -> dict[str, str] | None:
    """Return environment variables or headers. Errors name them without their values."""
    if values is None:
        return None
    if not isinstance(values, Mapping):
        raise ValidationError(f"{name} must map names to strings, not be a {type(values).__name__}.")
    for key, value in values.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ValidationError(f"{name}[{key!r}] must be a string, not {type(value).__name__}.")
    return dict(values)


def secrets_of(*maps: Mapping[str, str] | None) -> list[str]:
    """Return the values of environment variables and headers, which may be secrets."""
    return [value for values in maps if values is not None for value in values.values()]
