"""Interrupting runs: Ctrl-C in a process, cancelled tasks, time limits; and several event loops."""

from __future__ import annotations

import asyncio
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lumnisai_core import AsyncClient, Client, RequestInfo, ResponseInfo, RunJob, RunUpdate
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.local import LocalLumnis, Script
from tests.conftest import Serve
from tests.servers import Canned, EndlessEngine, ScriptByText, canned_server


@pytest.mark.processes
@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_ctrl_c_stops_the_run_on_the_service(serve: Serve, kind: str) -> None:
    """The process ends with KeyboardInterrupt, which names the run, and the run with `cancelled`."""
    local = serve(EndlessEngine(), poll="on-change")
    blocking = "Client(user_id='u').invoke('Hi', on_progress=listen)"
    program = (
        "import asyncio\nfrom lumnisai_core import Client, AsyncClient\n"
        "def listen(update):\n    print(update.response_id, flush=True)\n"
        + (blocking if kind == "Client" else f"async def main():\n    await Async{blocking}\nasyncio.run(main())")
    )
    environment = {"LUMNISAI_API_KEY": local.api_key, "LUMNISAI_BASE_URL": local.base_url}
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    response_id = process.stdout.readline().strip()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert "KeyboardInterrupt" in errors
    assert errors.count(f"asked to stop run {response_id}") == 1
    with Client(local.api_key, base_url=local.base_url, user_id="u") as client:
        assert client.get_response(response_id, wait=10).status == "cancelled"


@pytest.mark.parametrize(("stops", "text"), [(True, "asked to stop run"), (False, "responses.wait")])
def test_an_interrupt_in_a_listener_or_in_the_block_names_the_run(serve: Serve, stops: bool, text: str) -> None:
    """Wherever Ctrl-C falls, its note says what happened to the run."""
    local = serve(EndlessEngine(), poll="on-change")

    def interrupt(update: RunUpdate) -> None:
        raise KeyboardInterrupt

    def leave() -> None:
        with client.invoke("Hi", stream=True, cancel_on_interrupt=stops) as updates:
            interrupt(next(updates))

    with Client(local.api_key, base_url=local.base_url, user_id="u") as client:
        for ask in (lambda: client.invoke("Hi", on_progress=interrupt, cancel_on_interrupt=stops), leave):
            with pytest.raises(KeyboardInterrupt) as caught:
                ask()
            (note,) = caught.value.__notes__
            assert text in note
            # In a notebook the note is all that is shown, also of an interrupt that came from another process.
            shown: Any = pickle.loads(pickle.dumps(caught.value))
            assert shown._render_traceback_() == [f"KeyboardInterrupt: {note}"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "The service was asked to stop the unfinished runs. With ledger=path, the same call resumes."),
        ({"ledger": "job.jsonl"}, "asked to stop the unfinished runs. The same call with the same ledger resumes."),
        ({"cancel_on_interrupt": False}, "The unfinished runs continue. With ledger=path, the same call resumes."),
    ],
)
def test_an_interrupt_of_many_runs_says_how_to_resume(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: Any, text: str
) -> None:
    """After the note of the run that it fell into."""
    monkeypatch.chdir(tmp_path)
    local = serve(EndlessEngine(), poll="on-change")

    def interrupt(update: RunUpdate) -> None:
        raise KeyboardInterrupt

    with Client(local.api_key, base_url=local.base_url, user_id="u") as client:
        outcomes = client.responses.map(["a", "b"], on_progress=interrupt, **options)
        with pytest.raises(KeyboardInterrupt) as caught:
            next(outcomes)
    assert caught.value.__notes__[-1].startswith("Interrupted at 0/2 rows, ")
    assert caught.value.__notes__[-1].endswith(text)


@pytest.mark.parametrize("how", ["cancel", "timeout"])
async def test_a_cancelled_task_stops_the_run_on_the_service(serve: Serve, how: str) -> None:
    """Task cancellation and timeout scopes reach the service before they reach the caller."""
    local = serve(EndlessEngine(), poll="on-change")
    started: asyncio.Queue[str] = asyncio.Queue()

    async def listen(update: RunUpdate) -> None:
        await started.put(update.response_id)

    async with AsyncClient(local.api_key, base_url=local.base_url, user_id="u") as client:
        if how == "cancel":
            task = asyncio.create_task(client.invoke("Hi", on_progress=listen))
            response_id = await started.get()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await client.invoke("Hi", on_progress=listen)
            response_id = started.get_nowait()
        assert (await client.get_response(response_id)).status == "cancelled"


@pytest.mark.processes
def test_a_stream_that_outlives_its_loop_stops_the_run(serve: Serve) -> None:
    """A stream that was left and is still referred to is closed together with the event loop."""
    local = serve(EndlessEngine(), poll="on-change")
    program = (
        "import asyncio\nfrom lumnisai_core import AsyncClient\nheld = []\n"
        "async def main():\n    held.append(AsyncClient(user_id='u').invoke('Hi', stream=True))\n"
        "    print((await anext(held[0])).response_id)\nasyncio.run(main())"
    )
    environment = {"LUMNISAI_API_KEY": local.api_key, "LUMNISAI_BASE_URL": local.base_url}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    with Client(local.api_key, base_url=local.base_url, user_id="u") as client:
        assert client.get_response(done.stdout.strip(), wait=10).status == "cancelled"


async def test_interrupted_while_creating_finds_and_stops_the_run(serve: Serve) -> None:
    """A create whose answer never came is looked up by its idempotency key."""
    created = {"response_id": "r-1", "thread_id": "t-1", "status": "queued"}
    arrived, release = threading.Event(), threading.Event()
    answers = [Canned(201, created, arrived=arrived, release=release), Canned(201, created)]
    with canned_server(answers) as server:
        async with AsyncClient("lmn_1", base_url=server.base_url, user_id="u") as client:
            task = asyncio.create_task(client.invoke("Hi"))
            await asyncio.to_thread(arrived.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
        release.set()
    assert caught.value.__notes__ == ["Interrupted before the service answered; it was asked to stop the run."]
    first, again, cancel = server.received
    assert first.headers["idempotency-key"] == again.headers["idempotency-key"]
    assert (cancel.method, cancel.path) == ("POST", "/v1/responses/r-1/cancel")


def test_the_blocking_client_works_inside_a_running_loop(client: Client) -> None:
    """Notebooks and asynchronous web frameworks can use it as it is."""

    async def main() -> str | None:
        return client.invoke("Hello").status

    assert asyncio.run(main()) == "succeeded"


def test_the_blocking_client_refuses_coroutine_functions(client: Client) -> None:
    """A listener that would never run is an error."""

    async def listener(update: RunUpdate) -> None: ...

    with pytest.raises(ValidationError, match="AsyncClient"):
        client.invoke("Hello", on_progress=listener)


def test_one_asyncio_client_works_in_several_loops(local: LocalLumnis) -> None:
    """One after the other and side by side in threads, without closing it."""
    client = AsyncClient(local.api_key, base_url=local.base_url, user_id="u")
    statuses: list[str] = []

    async def main() -> None:
        for response in await asyncio.gather(*(client.invoke("Hello") for _ in range(5))):
            statuses.append(response.status)

    for _ in range(2):
        asyncio.run(main())
    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == ["succeeded"] * 30


def test_one_blocking_client_works_in_many_threads(client: Client) -> None:
    """Connections are shared safely."""
    statuses: list[str] = []
    threads = [threading.Thread(target=lambda: statuses.append(client.invoke("Hello").status)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == ["succeeded"] * 8


def test_a_run_that_is_still_being_created_is_stopped_too(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer about it comes after `map` was left, in another thread."""
    local = serve(ScriptByText({"quick": Script(output_text="done")}, Script(after=60.0)))
    creates: list[RequestInfo] = []
    sent, left, stop = threading.Event(), threading.Event(), RunJob.stop

    def note(request: RequestInfo) -> None:
        if request.method == "POST":
            creates.append(request)
            sent.set()

    def hold(response: ResponseInfo) -> None:
        if response.request is creates[0]:
            assert left.wait(30)

    def stopping(job: RunJob) -> None:
        stop(job)
        left.set()

    def questions() -> Iterator[str]:
        yield "slow"
        assert sent.wait(30)  # so that the first run is the slow one
        yield "quick"

    monkeypatch.setattr(RunJob, "stop", stopping)
    settings: Any = {"base_url": local.base_url, "user_id": "u", "on_request": note, "on_response": hold}
    with Client(local.api_key, **settings) as client:
        with closing(client.responses.map(questions(), max_in_flight=2)) as outcomes:
            assert next(outcomes).index == 1
        runs = client.list_responses().responses
        ended = [client.get_response(run.response_id, wait=10) for run in runs]
    assert sorted(str(run.status) for run in ended) == ["cancelled", "succeeded"]
