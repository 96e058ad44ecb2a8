"""Fixtures for people's own tests. Every pytest run imports this module; what they need is imported when used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lumnisai_core import AsyncClient, Client
    from lumnisai_core.local import ScriptableLumnis


@pytest.fixture
def lumnis(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptableLumnis]:
    """A Lumnis service of the test's own, with its key and address in the environment."""
    from lumnisai_core.local import ScriptableLumnis  # noqa: PLC0415

    with ScriptableLumnis() as service:
        monkeypatch.setenv("LUMNISAI_API_KEY", service.api_key)
        monkeypatch.setenv("LUMNISAI_BASE_URL", service.base_url)
        monkeypatch.delenv("LUMNISAI_TENANT_ID", raising=False)
        yield service


@pytest.fixture
def lumnis_client(lumnis: ScriptableLumnis) -> Iterator[Client]:
    """A client of that service, for the user `test-user`."""
    from lumnisai_core import Client  # noqa: PLC0415

    with Client(lumnis.api_key, base_url=lumnis.base_url, user_id="test-user") as client:
        yield client


@pytest.fixture
def lumnis_async_client(lumnis: ScriptableLumnis) -> AsyncClient:
    """An asyncio client of that service, for the user `test-user`. Its connections close with the event loop."""
    from lumnisai_core import AsyncClient  # noqa: PLC0415

    return AsyncClient(lumnis.api_key, base_url=lumnis.base_url, user_id="test-user")
