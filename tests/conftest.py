"""Fixtures for the whole suite: the embedded service, and clients that speak to it."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, suppress
from functools import cache

import httpx
import pytest

from lumnisai_core import AsyncClient, Client
from lumnisai_core.local import Engine, LocalLumnis, OfflineEngine, Script, ScriptedEngine

Serve = Callable[..., LocalLumnis]

# A shell that starts the tests in the background makes them, and all that they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)  # environments of some targets have no pytest-xdist
def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are processors, because many tests wait for a while."""
    return (os.cpu_count() or 1) + 1


def pytest_collection() -> None:
    """Modules and tests come and stay: looking for garbage among them takes long and finds none."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Keep what is there for the whole run out of all later collections of garbage."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _certificates_are_read_once() -> Iterator[None]:
    """Clients of httpx itself would each read those of the machine, which takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", cache(httpx.create_ssl_context))
        yield


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may depend on the settings of the machine it runs on."""
    for name in list(os.environ):
        if name.startswith(("LUMNISAI_", "LIMINAL_", "LUCIDIC_")):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _no_loop_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Close the event loop that blocking calls of LlamaIndex leave in the thread; it would warn in a later test."""
    is_blocking = not inspect.iscoroutinefunction(getattr(request, "function", None))
    if is_blocking:
        asyncio.set_event_loop(None)  # from Python 3.12 on, asking for one that was never set warns
    yield
    if is_blocking:
        with suppress(RuntimeError):  # there is none
            asyncio.get_event_loop_policy().get_event_loop().close()
        asyncio.set_event_loop(None)


@pytest.fixture(scope="module")
def local() -> Iterator[LocalLumnis]:
    """An embedded service with the offline engine, shared by the tests of one module."""
    with LocalLumnis(engine=OfflineEngine(step_delay=0)) as service:
        yield service


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start an embedded service of its own for a test: ``serve(engine, poll="on-change")``."""
    with ExitStack() as stack:

        def start(engine: Engine | Script | list[Script], **options: object) -> LocalLumnis:
            played = ScriptedEngine(engine) if isinstance(engine, Script | list) else engine
            return stack.enter_context(LocalLumnis(engine=played, **options))  # type: ignore[arg-type]

        yield start


@pytest.fixture
def client(local: LocalLumnis) -> Iterator[Client]:
    """A blocking client for one user of the shared service."""
    with Client(local.api_key, base_url=local.base_url, user_id="user-123") as made:
        yield made


@pytest.fixture
async def async_client(local: LocalLumnis) -> AsyncIterator[AsyncClient]:
    """An asyncio client for one user of the shared service."""
    async with AsyncClient(local.api_key, base_url=local.base_url, user_id="user-123") as made:
        yield made


@pytest.fixture
def leave_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes this process one that has written none of the saved forms which are restored from then on."""
    return lambda: monkeypatch.setattr("lumnisai_integrations._shared.clients._shared", {})
