"""Fixtures of the embedded service's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lumnisai_core.local import Engine, LocalLumnis, LumiSettings, Script, ScriptedEngine
from tests.local.backend import Backend, Started
from tests.local.support import Api, EchoEngine, HeldEngine

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
def started() -> Iterator[Started]:
    """Start an application backend with options of `LumiSettings`, strict by default, and return a caller for it."""
    with ExitStack() as stack:

        def start(path: Path | None = None, engine: Engine | str = "offline", **settings: Any) -> Backend:
            lumi = LumiSettings(**{"signature": "strict", **settings})
            local = stack.enter_context(LocalLumnis(engine=engine, step_delay=0, path=path, lumi=lumi))
            return stack.enter_context(Backend(local))

        yield start
