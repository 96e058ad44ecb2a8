"""Clients as objects: subclasses, copies, pickles, fields of dataclasses and models, types of overloads."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Coroutine
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, assert_type

import pytest
from pydantic import BaseModel, ValidationError

from lumnisai_core import AsyncClient, AsyncRunStream, Client, ResponseObject, RunStream
from lumnisai_core.local import LocalLumnis

KEY = "lmn_AbC_123"


class Named(Client):
    """A client with arguments of its own."""

    def __init__(self, name: str, address: str, *, key: str = KEY) -> None:
        super().__init__(key, base_url=address, user_id="ann")
        self.name = name

    @cached_property
    def greeting(self) -> str:
        """Something about this client that is made once."""
        return f"{self.name} for {self._settings.user_id}"


class AsyncNamed(AsyncClient):
    """A client with arguments of its own."""

    def __init__(self, name: str) -> None:
        super().__init__(KEY, base_url="http://127.0.0.1:9", user_id="ann")
        self.name = name


@dataclass
class Worker:
    """A client as a field."""

    client: Client
    name: str = "worker"


class Model(BaseModel):
    """Clients as fields."""

    client: Client
    other: AsyncClient | None = None


def test_subclasses_may_have_an_init_of_their_own(local: LocalLumnis) -> None:
    """Clients for other users have all that their parent has, but nothing that knows its user."""
    with Named("harbour", local.base_url, key=local.api_key) as client:
        client.create_thread()
        assert client.greeting == "harbour for ann"
        for other in (client.for_user("bob"), client.as_user("bob")):
            assert (type(other), other.name, other.greeting) == (Named, "harbour", "harbour for bob")
            assert other.list_threads().total == 0
        assert client.list_threads().total > 0
    assert AsyncNamed("harbour").for_user("bob").name == "harbour"


def test_copies_share_the_connections(local: LocalLumnis) -> None:
    """Shallow or deep: they work like the client, and closing them leaves it open."""
    with Named("harbour", local.base_url, key=local.api_key) as client:
        total = client.list_threads().total
        for copied in (copy.copy(client), copy.deepcopy(client), copy.deepcopy([client])[0]):
            with copied:
                assert (copied.name, copied.list_threads().total) == ("harbour", total)
            assert copied._transport is client._transport
        assert client.list_threads().total == total


@pytest.mark.parametrize("client", [Client(KEY, user_id="u"), AsyncNamed("harbour")])
def test_a_pickle_is_refused_in_words(client: Client | AsyncClient) -> None:
    """The key would be in it; the error says what to do instead."""
    with pytest.raises(TypeError, match=r"make a client in each process") as caught:
        pickle.dumps(client)
    assert KEY not in str(caught.value)


def test_clients_can_be_fields() -> None:
    """Of dataclasses and pydantic models, which copy and show them; JSON has their text, without the key."""
    client = Client(KEY, user_id="ann")
    worker = Worker(client)
    assert replace(worker, name="b").client is client
    assert isinstance(asdict(worker)["client"], Client)
    model = Model(client=client, other=AsyncNamed("harbour"))
    assert model.client is client
    assert isinstance(model.model_copy(deep=True).client, Client)
    assert "user_id='ann'" in model.model_dump_json()
    assert KEY not in f"{model} {model!r} {model.model_dump()} {model.model_dump_json()} {worker}"
    with pytest.raises(ValidationError, match="instance of Client"):
        Model(client=AsyncNamed("harbour"))


@pytest.mark.parametrize("stream", [True, False])
def test_a_flag_decides_whether_a_run_is_streamed(local: LocalLumnis, stream: bool) -> None:
    """The types say so, too."""
    with Client(local.api_key, base_url=local.base_url, user_id="ann") as client:
        result = client.invoke("When does port 7 open?", stream=stream)
        assert_type(result, ResponseObject | RunStream)
        assert isinstance(result, RunStream) is stream
        if isinstance(result, RunStream):
            result.close()


async def test_a_flag_decides_whether_a_run_is_streamed_and_awaited(local: LocalLumnis) -> None:
    """Either way the result can be awaited."""
    async with AsyncClient(local.api_key, base_url=local.base_url, user_id="ann") as client:
        for stream in (True, False):
            begun = client.invoke("When does port 7 open?", stream=stream)
            assert_type(begun, Coroutine[Any, Any, ResponseObject] | AsyncRunStream)
            result = await begun
            assert_type(result, ResponseObject | AsyncRunStream)
            assert isinstance(result, AsyncRunStream) is stream
            if isinstance(result, AsyncRunStream):
                await result.close()
