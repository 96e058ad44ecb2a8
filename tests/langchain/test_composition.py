"""Composition: whatever is put around a model, and in whatever order, a run gets everything that was set."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.language_models import FakeListChatModel
from langchain_core.prompt_values import StringPromptValue
from langchain_core.runnables import ConfigurableField
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.tools import tool
from pydantic import BaseModel

from lumnisai_core import ResponseObject
from lumnisai_core.local import Script, Step
from lumnisai_integrations.langchain import ChatLumnis, LumnisFilesRetriever, LumnisRunnable, LumnisTool
from tests.conftest import Serve
from tests.langchain.agents import address
from tests.langchain.conftest import Connect
from tests.servers import RecordingEngine


class Tide(BaseModel):
    """A tide."""

    kind: str


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


Change = Callable[[Any], Any]
BACKUP = FakeListChatModel(responses=["backup"])
OTHER = ChatLumnis(api_key="k", user_id="other")
CHANGES: dict[str, Change] = {
    "bind": lambda it: it.bind(user_id="ann", options={"a": 1}),
    "with_config": lambda it: it.with_config(configurable={"lumnis_thread_id": "thread-1"}),
    "configurable_fields": lambda it: it.configurable_fields(specialized_agent=ConfigurableField(id="agent")),
    "bind_tools": lambda it: it.bind_tools([add]),
    "with_structured_output": lambda it: it.with_structured_output(Tide),
    "with_retry": lambda it: it.with_retry(stop_after_attempt=2),
    "with_fallbacks": lambda it: it.with_fallbacks([OTHER]),
}


class Client:
    """Stands where the client is, and keeps the parameters of runs."""

    def __init__(self) -> None:
        self.parameters: dict[str, Any] = {}
        self.is_structured = False

    def invoke(self, _: Any, **parameters: Any) -> ResponseObject:
        self.parameters = parameters
        value: Any = {"kind": "neap"} if self.is_structured else "Neap."
        if "tool_calls" in ((parameters["response_format"] or {}).get("properties") or {}):
            value = {"content": value}
        known = {"structured_response": value} if isinstance(value, dict) else {"output_text": value}
        return ResponseObject(response_id="r", status="succeeded", **known)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    """The client of all models."""
    made = Client()
    monkeypatch.setattr(ChatLumnis, "_client", lambda _: made)
    return made


#: All orders of up to three; and some of all, of which there are 5040.
ORDERS = [*permutations(CHANGES, 2), *permutations(CHANGES, 3), *list(permutations(CHANGES))[::25]]


def test_every_order_keeps_everything(client: Client) -> None:
    """Whatever LangChain puts around a model, in any order, a run gets the user, the thread and all else."""
    model, config = ChatLumnis(api_key="k", user_id="default"), {"configurable": {"agent": "tides"}}
    wrong = []
    for order in ORDERS:
        made: Any = model
        for name in order:
            made = CHANGES[name](made)
        client.is_structured = "with_structured_output" in order
        made.invoke("When?", config)
        sent = client.parameters
        schema = json.dumps(sent["response_format"])
        is_kept = {
            "bind": (sent["user_id"], sent["options"]) == ("ann", {"a": 1}),
            "with_config": sent["thread_id"] == "thread-1",
            "configurable_fields": sent["specialized_agent"] == "tides",
            "bind_tools": '"add"' in schema,
            "with_structured_output": "Tide" in schema,
        }
        wrong += [(order, name) for name, kept in is_kept.items() if kept != (name in order)]
    assert wrong == []


RUN = Script(steps=[Step("Looking.")], output_text="High at noon.")
USER, THREAD = {"lumnis_user_id": "ann"}, "lumnis_thread_id"


@pytest.fixture
def engine() -> RecordingEngine:
    """An engine that keeps its requests."""
    return RecordingEngine(RUN)


def test_methods_of_the_model_behind_a_binding_are_for_its_user(
    serve: Serve, connect: Connect, engine: RecordingEngine
) -> None:
    """Also those that are not of runnables, by keyword and by config."""
    model = connect(serve(engine))
    model.invoke("When?", user_id="ann")
    for bound in (model.bind(user_id="ann"), model.with_config(configurable=USER)):
        bound.generate_prompt([StringPromptValue(text="When?")])
        bound.stream_events("When?", version="v3").output  # noqa: B018 - reads the stream
        list(bound.stream("When?"))
    assert len({request.user_id for request in engine.requests}) == 1
    assert len(engine.requests) == 7


def test_an_agent_of_langchain_is_for_the_user_of_its_model(
    serve: Serve, connect: Connect, engine: RecordingEngine
) -> None:
    model: Any = connect(serve(engine))
    model.invoke("When?", user_id="ann")
    agents: list[Any] = [create_agent(model.bind(user_id="ann"), [add]), create_agent(model, [add])]
    agents[0].invoke({"messages": [("user", "When?")]})
    agents[1].invoke({"messages": [("user", "When?")]}, {"configurable": USER})
    assert len({request.user_id for request in engine.requests}) == 1
    assert len(engine.requests) == 3


@pytest.mark.filterwarnings("ignore::langchain_core._api.deprecation.LangChainDeprecationWarning")
def test_a_message_history_hands_the_user_on(serve: Serve, connect: Connect, engine: RecordingEngine) -> None:
    model = connect(serve(engine))
    model.invoke("When?", user_id="ann")
    history = InMemoryChatMessageHistory()
    chain: Any = RunnableWithMessageHistory(model.bind(options={"a": 1}), lambda session_id: history)  # noqa: ARG005
    chain.invoke("When?", {"configurable": {"session_id": "s", **USER}})
    assert {spec.id for spec in chain.config_specs} >= {"lumnis_user_id", THREAD}
    assert len({request.user_id for request in engine.requests}) == 1


def test_a_runnable_in_a_binding_is_for_its_user(serve: Serve, engine: RecordingEngine) -> None:
    """Its further methods, too: start, as_node and feedback."""
    service = serve(engine)
    agent: Any = LumnisRunnable(**address(service), user_id="default")
    agent.invoke("When?", user_id="ann")
    for bound in (agent.bind(user_id="ann"), agent.with_config(configurable=USER), agent.bind(user_id="ann").bind()):
        bound.invoke("When?")
        bound.resume(bound.start("When?").response_id)
        bound.as_node().invoke({"messages": [("user", "When?")]})
    assert len({request.user_id for request in engine.requests}) == 1
    assert len(engine.requests) == 10
    agent.close()


def test_components_declare_the_keys_of_a_config_that_they_read() -> None:
    """Servers drop keys that are not declared."""
    known: dict[str, Any] = {"api_key": "k", "user_id": "u"}
    model = ChatLumnis(**known)
    made: list[Any] = [change(model) for change in CHANGES.values()]
    for component in [model, LumnisRunnable(**known), *made]:
        assert {spec.id for spec in component.config_specs} >= {"lumnis_user_id", THREAD}
    for component in (LumnisTool(**known), LumnisFilesRetriever(**known)):
        assert {spec.id for spec in component.config_specs} == {"lumnis_user_id"}


def test_a_config_is_added_to_the_one_that_is_bound(client: Client) -> None:
    """LangChain's binding replaces the configurable part."""
    model = ChatLumnis(api_key="k")
    model.with_config(configurable=USER).with_config(configurable={THREAD: "t"}).invoke("When?")
    assert (client.parameters["user_id"], client.parameters["thread_id"]) == ("ann", "t")


def test_copies_and_pickles_of_compositions_keep_the_user(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMNISAI_API_KEY", "k")
    bound: Any = ChatLumnis().bind(user_id="ann").with_retry()
    bound = bound.bind_tools([add])
    for same in (copy.deepcopy(bound), pickle.loads(pickle.dumps(bound))):
        client.parameters = {}
        same.invoke("When?")
        assert client.parameters["user_id"] == "ann"


def test_alternatives_of_a_config_get_tools_and_keywords(client: Client) -> None:
    which = ConfigurableField(id="which")
    model: Any = ChatLumnis(api_key="k").configurable_alternatives(which, other=ChatLumnis(api_key="k", scope="tenant"))
    bound = model.bind(options={"a": 1}).bind_tools([add])
    bound.invoke("When?", {"configurable": {"which": "other"}})
    assert (client.parameters["scope"], client.parameters["options"]) == ("tenant", {"a": 1})
    assert '"add"' in json.dumps(client.parameters["response_format"])


FAILING = Script(steps=[Step("Looking.")], error=("AGENT_ERROR", "down"))


@pytest.mark.parametrize("change", ["", "bind", "bind_tools", "with_retry"])
async def test_a_fallback_takes_over_after_progress(serve: Serve, connect: Connect, change: str) -> None:
    """LangChain takes the first chunk of a stream for success, so chunks of progress are held back."""
    model: Any = connect(serve(FAILING))
    model = CHANGES[change](model) if change else model
    backup = _Backup(responses=["backup"])
    chain = model.with_fallbacks([backup])
    assert chain.invoke("When?").text == "backup"
    assert "".join(chunk.text for chunk in chain.stream("When?")) == "backup"
    assert "".join([chunk.text async for chunk in chain.astream("When?")]) == "backup"


class _Backup(FakeListChatModel):
    """A model that takes any tools."""

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self


def test_progress_in_streams_is_a_choice(serve: Serve, connect: Connect) -> None:
    """Without it callbacks still get the progress; a fallback behind a chain needs the choice."""
    service = serve(RUN)
    model = connect(service)
    assert len(list(model.stream("When?"))) > 1
    assert [chunk.text for chunk in model.stream("When?", stream_progress=False)] == ["High at noon."]
    assert [chunk.text for chunk in connect(service, stream_progress=False).stream("When?")] == ["High at noon."]
    chosen = model.bind(stream_progress=True).with_fallbacks([BACKUP])
    assert len(list(chosen.stream("When?"))) > 1
