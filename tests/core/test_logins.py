"""One login at a time: over threads and event loops, when the caller who logs in leaves, and when it fails."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

from lumnisai_core._transport._async.transport import AsyncTransport
from lumnisai_core._transport._sync.transport import Transport
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.login import Logins, Pause, invoke, next_step, pause, send
from lumnisai_core._transport.pool import AsyncPool, Pool
from lumnisai_core._transport.retry import RetryPolicy
from lumnisai_core._transport.routes import Route, route_to
from lumnisai_core.exceptions import AuthenticationError, LumnisAIError, ValidationError
from tests.core.harbour import BADGE, Harbour, HarbourServer, harbour_server


def transport_to(server: HarbourServer, badge: str | Callable[[], Any] = BADGE) -> AsyncTransport:
    service = Harbour(server.base_url, badge)
    return AsyncTransport(service, AsyncPool(service), timeout=10.0, policy=RetryPolicy(first_pause=0.01))


async def ask(transport: AsyncTransport) -> str:
    path: str = (await transport.send(Call("GET", "/tide", dict)))["path"]
    return path


async def test_a_login_that_fails_fails_all_calls_that_wait_for_it() -> None:
    """A wrong badge is shown once, not once for each call; each call has an error of its own."""
    with harbour_server() as server:
        server.refuses_login = True
        transport = transport_to(server)
        errors = await asyncio.gather(*(ask(transport) for _ in range(20)), return_exceptions=True)
        assert server.counts["logins"] == 1
        assert all(isinstance(error, AuthenticationError) for error in errors)
        assert len({id(error) for error in errors}) == 20
        server.refuses_login = False
        assert await ask(transport) == "/tide"
        await transport.close()


async def test_a_caller_who_leaves_during_the_login_hands_it_on() -> None:
    """Whoever waits logs in instead."""
    with harbour_server() as server:
        server.login_released.clear()
        transport = transport_to(server)
        leaving, staying = (asyncio.ensure_future(ask(transport)) for _ in range(2))
        await asyncio.to_thread(server.login_arrived.wait)
        leaving.cancel()
        server.login_released.set()
        assert await staying == "/tide"
        with pytest.raises(asyncio.CancelledError):
            await leaving
        await transport.close()


def test_several_event_loops_share_one_login() -> None:
    """Each loop waits for the login that is under way in another, without blocking."""
    with harbour_server() as server:
        server.login_released.clear()
        transport = transport_to(server)
        paths: list[str] = []

        async def several() -> None:
            paths.extend(await asyncio.gather(*(ask(transport) for _ in range(5))))
            await transport.close()

        threads = [threading.Thread(target=lambda: asyncio.run(several())) for _ in range(3)]
        for thread in threads:
            thread.start()
        server.login_arrived.wait()
        server.login_released.set()
        for thread in threads:
            thread.join()
    assert paths == ["/tide"] * 15
    assert server.counts["logins"] == 1


async def test_a_function_of_the_users_may_be_asynchronous() -> None:
    """In the asyncio client; the blocking one says that it cannot run it."""

    async def badge() -> str:
        return BADGE

    with harbour_server() as server:
        transport = transport_to(server, badge)
        assert await ask(transport) == "/tide"
        await transport.close()
        service = Harbour(server.base_url, badge)
        blocking = Transport(service, Pool(service), timeout=10.0, policy=RetryPolicy())
        with pytest.raises(ValidationError, match="is asynchronous, which needs AsyncClient"):
            blocking.send(Call("GET", "/tide", dict))
        blocking.close()


def test_a_flow_gets_results_and_errors_at_its_steps() -> None:
    """It reads like plain code."""
    call = Call("GET", "/x", str)
    seen: list[object] = []

    def flow() -> Any:
        seen.append((yield from send(call)))
        yield from pause(2.5)
        try:
            yield from send(call)
        except AuthenticationError as error:
            seen.append(error.message)
        seen.append((yield from invoke(lambda: 5)))

    running = flow()
    assert next_step(running) is call
    assert next_step(running, "first") == Pause(2.5)
    assert next_step(running) is call
    step = next_step(running, None, AuthenticationError("no"))
    assert step is not None
    assert next_step(running, 5) is None
    assert seen == ["first", "no", 5]


def test_logins_are_counted_and_joined() -> None:
    """Whoever comes too late for a login finds it done; a login that was given up leaves no trace."""
    logins = Logins()
    assert logins.join(0) is None
    waiting = logins.join(0)
    assert waiting is not None
    assert not waiting.cancel()
    with pytest.raises(KeyboardInterrupt), logins.turn():
        raise KeyboardInterrupt
    assert (waiting.result(), logins.count) == (None, 0)
    assert logins.join(0) is None
    waiting = logins.join(0)
    assert waiting is not None
    with pytest.raises(LumnisAIError), logins.turn():
        raise LumnisAIError("refused")
    assert isinstance(waiting.result(), LumnisAIError)
    assert logins.join(0) is None
    with logins.turn():
        pass
    late = logins.join(0)
    assert late is not None
    assert (late.result(), logins.count) == (None, 1)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_service_is_neither_copied_nor_pickled(copied: Callable[[object], object]) -> None:
    """It holds secrets and the login of its client; its text shows neither."""
    service = Harbour("https://harbour.example")
    assert repr(service) == "Harbour('Harbour', 'https://harbour.example')"
    with pytest.raises(TypeError, match="make it anew from its settings"):
        copied(service)


@pytest.mark.parametrize(
    ("url", "route"),
    [
        ("http://127.0.0.1:9/x", Route(verify=False, proxy=None)),
        ("https://localhost", Route(verify=False, proxy=None)),
        ("https://harbour.example/x", Route(True, "http://proxy.example:1", "HTTPS_PROXY")),
        ("http://harbour.example", Route(False, "http://all.example:2", "ALL_PROXY")),
        ("https://pier.example:8443", Route(verify=True, proxy=None)),
    ],
)
def test_each_host_has_its_own_route(url: str, route: Route, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service on this machine can log in at a host whose certificate is checked."""
    monkeypatch.setenv("https_proxy", "http://proxy.example:1")
    monkeypatch.setenv("all_proxy", "http://all.example:2")
    monkeypatch.setenv("no_proxy", "pier.example")
    monkeypatch.delenv("http_proxy", raising=False)
    assert route_to(url) == route
