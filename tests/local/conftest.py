"""Fixtures of the embedded service's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import pytest

from lumnisai_core.local import Engine, LocalLumnis, Script, ScriptedEngine
from tests.local.support import Api, EchoEngine, HeldEngine, Lucidic

Serve = Callable[..., Api]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a service for an engine and return a caller for it."""
    with ExitStack() as stack:

        def start(engine: Engine | Script | str = "offline", **options: Any) -> Api:
            engine = ScriptedEngine(engine) if isinstance(engine, Script) else engine
            local = stack.enter_context(LocalLumnis(engine=engine, step_delay=0, **options))
            return stack.enter_context(Api(local))

        yield start


@pytest.fixture
def api(serve: Serve) -> Api:
    """A service whose runs echo their conversation."""
    return serve(EchoEngine())


@pytest.fixture
def held() -> HeldEngine:
    """An engine whose runs last until they are released."""
    return HeldEngine()


@pytest.fixture
def lucidic(local: LocalLumnis) -> Iterator[Lucidic]:
    """A client of an agent of its own."""
    with Lucidic(local, f"agent-{uuid4()}") as made:
        yield made
