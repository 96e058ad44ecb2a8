"""Keys of services from files and the environment, so that none has to be in a command, which others can list."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from lumnisai_integrations._commands import CommandError

#: Variable with the key of the service that ``lumnis serve`` starts.
SERVED_KEY = "LUMNISAI_SERVE_API_KEY"


def key_of(path: Path, *, make: bool = False) -> str:
    """Return the key that a file holds.

    Args:
        path: The file, which only its owner may read.
        make: Whether a file that is missing is made, with a fresh key.

    Raises:
        CommandError: The file cannot be used.
    """
    if make and not path.exists():
        key = f"lmn_local_{secrets.token_urlsafe(24)}"
        write_secret(path, f"{key}\n")
        return key
    lines = list(_lines(path))
    if len(lines) != 1:
        raise CommandError(f"{path} must hold one line with a key, and has {len(lines)} lines")
    return lines[0]


def write_secret(path: Path, text: str, *, replace: bool = False) -> None:
    """Write a file that only its owner may read, in place of another one with `replace`.

    Raises:
        CommandError: The file cannot be made.
    """
    try:
        if replace:
            path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandError(f"{path} cannot be made: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def tenants_of(path: Path) -> list[tuple[str, str, datetime | None]]:
    """Return names of tenants with their keys, and when these expire; None for never.

    Args:
        path: The file, which only its owner may read: lines such as ``acme=lmn_key_1`` or ``acme=lmn_2 2030-01-31``.

    Raises:
        CommandError: The file cannot be used.
    """
    found: list[tuple[str, str, datetime | None]] = []
    for number, line in enumerate(_lines(path), start=1):
        name, _, rest = (part.strip() for part in line.partition("="))
        key, _, date = (part.strip() for part in rest.partition(" "))
        try:
            expiry = datetime.fromisoformat(date) if date else None
        except ValueError:
            key = ""
        if not name or not key:  # without the line, which may hold a key
            raise CommandError(f"{path}: entry {number} must have the form NAME=KEY or NAME=KEY DATE")
        found.append((name, key, expiry))
    return found


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file but comments and empty ones."""
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise CommandError(f"{path} can be read by others: run chmod 600 {path}")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'not a text'}") from error
    yield from (line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
