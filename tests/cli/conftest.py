"""The `lumnis` command called from tests, with a service and a user of its own in the environment."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.cli import main


@dataclass(frozen=True)
class Done:
    """The outcome of a command."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        """The cells of the lines."""
        return [line.split("\t") for line in self.out.splitlines()]


Lumnis = Callable[..., Done]


@pytest.fixture(autouse=True)
def _no_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may depend on the user of the machine it runs on."""
    for name in ("LUMNISAI_USER_ID", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def user() -> str:
    """A user that no other test has."""
    return f"user-{uuid4()}"


@pytest.fixture
def key(local: LocalLumnis, user: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Key, address and user in the environment."""
    monkeypatch.setenv("LUMNISAI_API_KEY", local.api_key)
    monkeypatch.setenv("LUMNISAI_BASE_URL", local.base_url)
    monkeypatch.setenv("LUMNISAI_USER_ID", user)
    return local.api_key


@pytest.fixture
def client(local: LocalLumnis, user: str) -> Iterator[Client]:
    """A client for the same user."""
    with Client(local.api_key, base_url=local.base_url, user_id=user) as made:
        yield made


@pytest.fixture
def lumnis(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Lumnis:
    """Call the command: ``lumnis("runs", "list")``, with ``stdin`` as text or bytes."""

    def call(*arguments: str, stdin: str | bytes = b"") -> Done:
        content = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))
        capsys.readouterr()
        try:
            status: Any = main(arguments)
        except SystemExit as error:
            status = error.code
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Done(status, out, err)

    return call
