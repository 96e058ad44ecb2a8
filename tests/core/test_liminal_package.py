"""Liminal's client as a package: what it needs, both of its halves, its older names, and forked processes."""

from __future__ import annotations

import asyncio
import inspect
import multiprocessing
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lumnisai_core import exceptions, liminal
from lumnisai_core.liminal import AsyncClient, Client, DeviceCodeFlowProvider, Finding
from lumnisai_core.local import LocalLumnis
from tests.loops import no_blocking
from tests.servers import Canned, canned_server

ROOT = Path(__file__).parents[2]
PROMPT = "Write to mira@example.org"


@pytest.mark.processes
def test_it_is_easy_to_install_next_to_other_packages() -> None:
    """It needs httpx, pydantic and Python 3.11, and imports neither MSAL nor a framework nor a server."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["requires-python"] == ">=3.11"
    assert sorted(line.split(">")[0] for line in project["dependencies"]) == ["httpx", "pydantic"]
    heavy = ("msal", "cryptography", "requests", "starlette", "langchain_core", "llama_index", "phonenumbers")
    code = f"import sys, lumnisai_core.liminal; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_it_is_a_general_client() -> None:
    """The blocking half has the same calls with the same parameters as the asyncio half."""
    with Client("http://127.0.0.1:9", token="t") as blocking:
        other = AsyncClient("http://127.0.0.1:9", token="t")
        for part in ("llm", "thread", "prompt"):
            ours, theirs = getattr(blocking, part), getattr(other, part)
            names = [name for name in dir(type(ours)) if not name.startswith("_")]
            assert names == [name for name in dir(type(theirs)) if not name.startswith("_")]
            for name in names:
                parameters = [list(inspect.signature(getattr(one, name)).parameters) for one in (ours, theirs)]
                assert parameters[0] == parameters[1]


def test_names_of_the_official_package_stay() -> None:
    """Its error classes and its provider, under the names of its examples."""
    assert issubclass(liminal.ModelInstanceUnknownError, liminal.RequestError)
    assert issubclass(liminal.AuthError, liminal.LiminalError)
    assert liminal.MicrosoftAuthProvider is DeviceCodeFlowProvider
    assert all(hasattr(liminal, name) for name in liminal.__all__)
    for name in ("SessionExpiredError", "PolicyBlockedError", "TruncatedStreamError"):
        assert getattr(liminal, name) is getattr(exceptions, name)


def test_nothing_blocks_the_event_loop() -> None:
    """Neither the start of a device login nor any call; a provider may do so, it runs in a thread."""

    class Provider:
        def get_access_token(self) -> str:
            return (ROOT / "LICENSE").read_text("utf-8").split()[0]

    async def main(address: str, identity: str) -> None:
        device = DeviceCodeFlowProvider("t", "c", on_message=str, authority=identity)
        for provider in (Provider(), device):
            async with AsyncClient(address, auth_provider=provider) as client:
                await client.thread.get_available()

    session = Canned(200, headers={"Set-Cookie": "session=s-1"})
    granted = [Canned(200, {"device_code": "d", "interval": 0.001}), Canned(200, {"access_token": "a"})]
    with canned_server(granted) as identity, canned_server([session, Canned(200, {"data": []})] * 2) as server:
        with no_blocking():
            asyncio.run(main(server.base_url, identity.base_url))


def test_providers_may_be_coroutines() -> None:
    """With asyncio; the blocking client says that it needs a plain function."""

    class Provider:
        async def get_access_token(self) -> str:
            return "entra-token"

    async def main(address: str) -> str | None:
        async with await AsyncClient.authenticate_from_auth_provider(address, Provider()) as client:
            return client.session_id

    with canned_server([Canned(200, headers={"Set-Cookie": "session=s-1"})]) as server:
        assert asyncio.run(main(server.base_url)) == "s-1"
        with pytest.raises(exceptions.ValidationError, match="pass a plain function"):
            Client.authenticate_from_auth_provider(server.base_url, Provider())


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("Call Mira now", {"start": 5, "end": 9}),
        ("\U0001f30a Mira", {"start": 2, "end": 6}),
        ("\U0001f30a Mira", {"start": 3, "end": 7}),  # in UTF-16 units
    ],
)
def test_offsets_of_findings_can_be_checked(text: str, finding: dict[str, int]) -> None:
    """Whether the service counts code points or UTF-16 units; a span that is not there is an error."""
    found = Finding.model_validate({**finding, "text": "Mira", "type": "PERSON"})
    start, end = found.span_in(text)
    assert text[start:end] == "Mira"
    with pytest.raises(ValueError, match="does not hold the PERSON"):
        found.span_in("Nobody is there, and nobody was")


async def test_the_streaming_example_of_the_product_works(local: LocalLumnis) -> None:
    """Its calls in its order, with the findings and the thread of the calls before; the stream is iterated as it is."""
    service = local.liminal
    async with await AsyncClient.authenticate_from_token(service.base_url, service.token) as client:
        model_instance = await client.llm.get_model_instance(service.model_instance)
        thread = await client.thread.create(model_instance.id, "New Thread")
        findings = await client.prompt.analyze(model_instance.id, PROMPT)
        known: Any = {"findings": findings, "thread_id": thread.id}
        assert (await client.prompt.cleanse(model_instance.id, PROMPT, **known)).text == "Write to EMAIL_ADDRESS_0"
        assert (await client.prompt.submit(model_instance.id, PROMPT, **known)).thread_id == thread.id
        chunks = [chunk async for chunk in client.prompt.stream(model_instance.id, PROMPT, **known)]
        assert chunks[-1].finish_reason
        assert "".join(chunk.content for chunk in chunks)
        hydrated = await client.prompt.hydrate(model_instance.id, "Dear EMAIL_ADDRESS_0", thread_id=thread.id)
        assert hydrated.text == "Dear mira@example.org"


def test_hydrating_takes_the_thread_that_has_the_values(local: LocalLumnis) -> None:
    """In another thread, and without one, a placeholder stays as it is: no value of another conversation comes back."""
    with Client(local.liminal.base_url, token=local.liminal.token) as client:
        first, other = (client.thread.create(1, name).id for name in ("a", "b"))
        client.prompt.cleanse(1, PROMPT, thread_id=first)
        for thread_id in (other, None):
            assert client.prompt.hydrate(1, "EMAIL_ADDRESS_0", thread_id=thread_id).text == "EMAIL_ADDRESS_0"


def test_clients_leave_no_socket_also_when_calls_fail() -> None:
    """Calls that raise close what they opened, with the client at the latest."""

    def sockets() -> int:
        return sum("socket:" in str(path.resolve()) for path in Path("/proc/self/fd").iterdir())

    with canned_server([Canned(500)]) as server:
        before = sockets()
        for _ in range(100):
            with Client(server.base_url, token="token", max_retries=0) as client:
                with pytest.raises(exceptions.TransportError):
                    client.thread.get_available()
    assert sockets() <= before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked on this system")
def test_a_forked_child_uses_the_session_over_a_connection_of_its_own() -> None:
    """Parent and child work side by side with one client."""

    def in_child(work: Callable[[], Any]) -> Any:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(target=lambda: theirs.send(work()), daemon=True)
        process.start()
        assert ours.poll(30)
        received = ours.recv()
        process.join(120)
        return received

    with LocalLumnis() as local, Client(local.liminal.base_url, token=local.liminal.token) as client:
        assert client.thread.get_available() == []
        session = client.session_id
        assert in_child(lambda: (len(client.llm.get_available_model_instances()), client.session_id)) == (1, session)
        assert client.thread.get_available() == []
