"""Clients, models and the embedded service in forked processes: parent and children work side by side."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import pytest

from lumnisai_core import AsyncClient, Client
from lumnisai_core._transport import pool
from lumnisai_core.local import LocalLumnis, RunReport, RunRequest, RunResult
from lumnisai_integrations._shared.locks import changing
from lumnisai_integrations.langchain import ChatLumnis, LumnisProgressHandler
from lumnisai_integrations.llama_index import LumnisLLM

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked on this system")

QUESTIONS = 10


class Echo:
    """Answers with the question."""

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        """Answer one run."""
        report.progress("echoed")
        return RunResult(output_text=request.messages[-1].content)


@pytest.fixture(scope="module")
def echo() -> Iterator[LocalLumnis]:
    """A service whose answers show whose they are."""
    with LocalLumnis(engine=Echo()) as service:
        yield service


def _in_child(work: Callable[[], Any]) -> Callable[[], Any]:
    """Start some work in a forked child, and return a function that waits for its result."""
    ours, theirs = multiprocessing.Pipe(duplex=False)

    def child(results: Connection) -> None:
        try:
            results.send(work())
        except BaseException as error:  # noqa: BLE001 - the parent shows it
            results.send(repr(error))

    process = multiprocessing.get_context("fork").Process(target=child, args=(theirs,), daemon=True)
    process.start()

    def result() -> Any:
        received = ours.recv() if ours.poll(30) else "the child hangs"
        process.join(120)
        process.kill()
        return received

    return result


def _answers(ask: Callable[[str], str | None], name: str) -> list[tuple[str, str | None]]:
    """Ask questions of a process of that name; return those that got another answer than their own."""
    pairs = [(question := f"{name} {number}", ask(question)) for number in range(QUESTIONS)]
    return [(question, answer) for question, answer in pairs if answer != question]


def _blocking(service: LocalLumnis) -> Callable[[str], str | None]:
    client = Client(service.api_key, base_url=service.base_url, user_id="ann", max_retries=0)
    return lambda question: client.invoke(question).output_text


def _asyncio(service: LocalLumnis) -> Callable[[str], str | None]:
    client = AsyncClient(service.api_key, base_url=service.base_url, user_id="ann", max_retries=0)

    async def ask(question: str) -> str | None:
        return (await client.invoke(question)).output_text

    return lambda question: asyncio.run(ask(question))


def _langchain(service: LocalLumnis) -> Callable[[str], str | None]:
    model = ChatLumnis(lumnis_api_key=service.api_key, base_url=service.base_url, user_id="ann", max_retries=0)
    return lambda question: str(model.invoke(question).text)


def _llama_index(service: LocalLumnis) -> Callable[[str], str | None]:
    model = LumnisLLM(api_key=service.api_key, base_url=service.base_url, user_id="ann", max_retries=0)
    return lambda question: model.complete(question).text


@pytest.mark.parametrize("make", [_blocking, _asyncio, _langchain, _llama_index])
def test_parent_and_children_get_their_own_answers(
    echo: LocalLumnis, make: Callable[[LocalLumnis], Callable[[str], str | None]]
) -> None:
    """A client that was used before the fork works in all processes at once; none sees an answer of another."""
    ask = make(echo)
    ask("before the fork")
    waits = [_in_child(partial(_answers, ask, name)) for name in ("one", "two", "three")]
    assert _answers(ask, "parent") == []
    assert [wait() for wait in waits] == [[], [], []]
    assert ask("after the fork") == "after the fork"


@pytest.mark.parametrize("bulk", [True, False], ids=["aiohttp", "httpx"])
def test_a_child_that_is_forked_inside_an_event_loop_leaves_its_parent_alone(
    echo: LocalLumnis, monkeypatch: pytest.MonkeyPatch, *, bulk: bool
) -> None:
    """The parent's loop and connections continue after the child has used the client and ended."""
    monkeypatch.setattr(pool, "BULK_AVAILABLE", bulk)
    client = AsyncClient(echo.api_key, base_url=echo.base_url, user_id="ann", max_retries=0)

    async def ask(question: str) -> str | None:
        return (await client.invoke(question)).output_text

    def child() -> str | None:
        answers: list[str | None] = []
        # In a thread, because the inherited loop counts as running in this one.
        thread = threading.Thread(target=lambda: answers.append(asyncio.run(ask("child"))))
        thread.start()
        thread.join()
        return answers[0]

    async def main() -> list[str | None]:
        first = await ask("first")
        wait = _in_child(child)
        beside = await asyncio.gather(*(ask(f"parent {number}") for number in range(5)))
        return [first, await asyncio.to_thread(wait), *beside, await ask("last")]

    assert asyncio.run(main()) == ["first", "child", *(f"parent {number}" for number in range(5)), "last"]


def test_locks_that_are_held_while_forking_are_free_in_the_child(echo: LocalLumnis) -> None:
    """A thread of the parent that holds one does not exist in the child and can never release it."""
    client = Client(echo.api_key, base_url=echo.base_url, user_id="ann")
    held, released = threading.Event(), threading.Event()

    def hold() -> None:
        with client._transport._pool._lock, changing():
            held.set()
            released.wait(120)

    def child() -> str | None:
        with changing():
            return client.invoke("free").output_text

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(120)
    try:
        assert _in_child(child)() == "free"
    finally:
        released.set()
        thread.join()


def test_a_progress_handler_that_is_busy_while_forking_works_in_the_child(echo: LocalLumnis) -> None:
    """A thread of the parent that writes a line at that moment does not stop the child's lines."""
    parent, busy, released, lines = os.getpid(), threading.Event(), threading.Event(), list[str]()

    def write(line: str) -> None:
        lines.append(line)
        if os.getpid() == parent:
            busy.set()
            released.wait(120)

    model = ChatLumnis(lumnis_api_key=echo.api_key, base_url=echo.base_url, user_id="ann")
    handler = LumnisProgressHandler(display=write)

    def child() -> list[str]:
        lines.clear()
        model.invoke("child", config={"callbacks": [handler]})
        return lines

    thread = threading.Thread(target=lambda: model.invoke("parent", config={"callbacks": [handler]}))
    thread.start()
    busy.wait(120)
    try:
        assert any("echoed" in line for line in _in_child(child)())
    finally:
        released.set()
        thread.join()


def test_the_embedded_service_lives_in_the_process_that_started_it(echo: LocalLumnis) -> None:
    """A child can call it, cannot stop it, and is told in words where it lives when it tries to start it."""

    def child() -> str:
        with pytest.raises(RuntimeError, match="lives in the parent process") as refused:
            echo.start()
        with pytest.raises(RuntimeError, match="lives in the parent process"):
            echo.add_key()
        echo.close()
        return str(refused.value)

    assert str(os.getpid()) in _in_child(child)()
    assert _blocking(echo)("still there") == "still there"
