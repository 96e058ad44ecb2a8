"""Runnables that speak to the embedded service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lumnisai_core import Client, ResponseObject
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.langchain.lumnis.runnable import LumnisRunnable
from tests.langchain.conftest import USER

MakeAgent = Callable[..., LumnisRunnable]


@contextmanager
def making_agents() -> Iterator[MakeAgent]:
    """Make runnables for services: ``make(service, thread_id=...)``; their connections end with the block."""
    made: list[LumnisRunnable] = []

    def make(service: LocalLumnis, **fields: Any) -> LumnisRunnable:
        made.append(LumnisRunnable(**address(service), **{"user_id": USER, "progress_interval": 0.1, **fields}))
        return made[-1]

    yield make
    for runnable in made:
        runnable.close()


def address(service: LocalLumnis) -> dict[str, Any]:
    """Where a service is and what opens it."""
    return {"api_key": service.api_key, "base_url": service.base_url}


def runs_on(service: LocalLumnis) -> list[ResponseObject]:
    """All runs of the tests' user that a service has, newest first."""
    with Client(service.api_key, base_url=service.base_url, user_id=USER) as client:
        return list(client.responses.iter())
