"""A thread as the memory of RunnableWithMessageHistory and of graphs: each turn is on the thread exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.runnables.history import RunnableWithMessageHistory
from langgraph.graph import START, MessagesState, StateGraph

from lumnisai_core import Client
from lumnisai_core.exceptions import RunFailedError
from lumnisai_core.local import LocalLumnis, RunReport, RunRequest, RunResult, Script
from lumnisai_integrations.langchain import ChatLumnis, LumnisChatMessageHistory
from tests.conftest import Serve
from tests.langchain.conftest import USER, Connect
from tests.loops import no_blocking
from tests.servers import ScriptByText

pytestmark = pytest.mark.filterwarnings(
    # Deprecated in favour of LangGraph's persistence, and what people use.
    "ignore:RunnableWithMessageHistory is deprecated:langchain_core._api.LangChainDeprecationWarning"
)


class CountingEngine:
    """Answers with the number of messages that the agent got."""

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        return RunResult(output_text=f"I got {len(request.messages)}.")


@pytest.fixture(scope="module")
def counting() -> Iterator[LocalLumnis]:
    """A service with that engine."""
    with LocalLumnis(engine=CountingEngine()) as service:
        yield service


@pytest.fixture
def model(counting: LocalLumnis, connect: Connect) -> ChatLumnis:
    """A chat model of that service."""
    return connect(counting)


class Sessions:
    """Histories by session, each made with its first use."""

    def __init__(self, service: LocalLumnis) -> None:
        self._service = service
        self.histories: dict[str, LumnisChatMessageHistory] = {}

    def __call__(self, name: str) -> LumnisChatMessageHistory:
        if name not in self.histories:
            self.histories[name] = history_on(self._service)
        return self.histories[name]


@pytest.fixture
def sessions(counting: LocalLumnis) -> Iterator[Sessions]:
    """Sessions on that service, whose connections end with the test."""
    made = Sessions(counting)
    yield made
    for history in made.histories.values():
        history.close()


def history_on(service: LocalLumnis, thread_id: str | None = None) -> LumnisChatMessageHistory:
    return LumnisChatMessageHistory(thread_id, user_id=USER, api_key=service.api_key, base_url=service.base_url)


def on_thread(service: LocalLumnis, thread_id: str | None) -> list[str]:
    """Return what the service has stored of a thread."""
    assert thread_id is not None
    with Client(service.api_key, base_url=service.base_url, user_id=USER) as client:
        runs = reversed(list(client.threads.iter_responses(thread_id)))
        return [
            text for run in runs for text in [*(sent.content for sent in run.input_messages), run.output_text or ""]
        ]


def session(name: str) -> RunnableConfig:
    return {"configurable": {"session_id": name}}


PROMPT = ChatPromptTemplate.from_messages(
    [("system", "Be brief."), MessagesPlaceholder("past"), ("human", "{question}")]
)
TURNS = ["Be brief.", "Hi", "I got 2.", "yes", "I got 4.", "yes", "I got 6.", "Bye", "I got 8."]
KEYS: dict[str, Any] = {"input_messages_key": "question", "history_messages_key": "past"}


async def ask_in_every_way(chain: Runnable[Any, Any], wrap: Callable[[str], Any]) -> None:
    """Have four turns in one session: invoke, ainvoke, stream, astream."""
    chain.invoke(wrap("Hi"), session("one"))
    await chain.ainvoke(wrap("yes"), session("one"))
    assert list(chain.stream(wrap("yes"), session("one")))
    assert [chunk async for chunk in chain.astream(wrap("Bye"), session("one"))]


async def test_a_prompted_model_stores_each_turn_once(
    counting: LocalLumnis, model: ChatLumnis, sessions: Sessions
) -> None:
    """The system message goes with the first run; the history object has nothing left to send."""
    chain = RunnableWithMessageHistory(PROMPT | model, sessions, **KEYS)
    await ask_in_every_way(chain, lambda text: {"question": text})
    assert on_thread(counting, sessions("one").thread_id) == TURNS
    assert [message.content for message in sessions("one").messages] == TURNS


async def test_a_bare_model_stores_each_turn_once(counting: LocalLumnis, model: ChatLumnis, sessions: Sessions) -> None:
    """Without keys the framework reads the history a second time after the run."""
    chain = RunnableWithMessageHistory(model, sessions)
    await ask_in_every_way(chain, lambda text: [HumanMessage(text)])
    stored = ["Hi", "I got 1.", "yes", "I got 3.", "yes", "I got 5.", "Bye", "I got 7."]
    assert on_thread(counting, sessions("one").thread_id) == stored
    assert [message.content for message in sessions("one").messages] == stored


@pytest.mark.parametrize("parser", [StrOutputParser(), StrOutputParser() | RunnableLambda(str.upper)])
async def test_a_chain_that_returns_text_stores_each_turn_once(
    counting: LocalLumnis, model: ChatLumnis, sessions: Sessions, parser: Runnable[Any, Any]
) -> None:
    """A text names no run; it is known by its words or by those of its question."""
    sessions("one").create_thread()
    chain = RunnableWithMessageHistory(PROMPT | model | parser, sessions, **KEYS)
    await ask_in_every_way(chain, lambda text: {"question": text})
    assert on_thread(counting, sessions("one").thread_id) == TURNS
    assert [message.content for message in sessions("one").messages] == TURNS


async def test_text_of_a_bare_model_stores_each_turn_once(
    counting: LocalLumnis, model: ChatLumnis, sessions: Sessions
) -> None:
    """Also where the second reading of the framework has seen the answer before it is added."""
    sessions("one").create_thread()
    chain = RunnableWithMessageHistory(model | StrOutputParser(), sessions)
    await ask_in_every_way(chain, lambda text: [HumanMessage(text)])
    assert len(on_thread(counting, sessions("one").thread_id)) == len(sessions("one").messages) == 8


def test_a_changed_question_is_stored_as_it_was_sent(
    counting: LocalLumnis, model: ChatLumnis, sessions: Sessions
) -> None:
    """A prompt that wraps the question makes no second turn of it."""
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("past"), ("human", "In French: {question}")])
    sessions("one").create_thread()
    for chain in (prompt | model, prompt | model | StrOutputParser()):
        RunnableWithMessageHistory(chain, sessions, **KEYS).invoke({"question": "tide"}, session("one"))
    stored = ["In French: tide", "I got 1.", "In French: tide", "I got 3."]
    assert on_thread(counting, sessions("one").thread_id) == stored
    assert [message.content for message in sessions("one").messages] == stored


def test_text_without_a_thread_is_not_lost(model: ChatLumnis, sessions: Sessions) -> None:
    """Nothing names the thread, so that the whole conversation may have to go out again; each turn once."""
    chain = RunnableWithMessageHistory(PROMPT | model | StrOutputParser(), sessions, **KEYS)
    answers = [chain.invoke({"question": text}, session("one")) for text in ("Hi", "yes", "yes")]
    assert answers == ["I got 2.", "I got 4.", "I got 6."]
    texts = [message.content for message in sessions("one").messages if message.content != "Be brief."]
    assert texts == ["Hi", answers[0], "yes", answers[1], "yes", answers[2]]


async def test_sessions_at_the_same_time_do_not_mix(
    counting: LocalLumnis, model: ChatLumnis, sessions: Sessions
) -> None:
    chain = RunnableWithMessageHistory(PROMPT | model, sessions, **KEYS)

    async def talk(name: str) -> None:
        for number in range(3):
            await chain.ainvoke({"question": f"{name} {number}"}, session(name))

    names = [f"session {number}" for number in range(4)]
    await asyncio.gather(*map(talk, names))
    for name in names:
        asked = [text for text in on_thread(counting, sessions(name).thread_id) if text.startswith("session")]
        assert asked == [f"{name} {number}" for number in range(3)]
        assert len(sessions(name).messages) == 7


def test_a_new_process_goes_on(counting: LocalLumnis, connect: Connect) -> None:
    """A new history and a new model for each turn need only the id of the thread."""
    with_thread = history_on(counting)
    thread = with_thread.create_thread()
    for text in ("Hi", "yes", "yes", "Bye"):
        chain = PROMPT | connect(counting) | StrOutputParser()
        RunnableWithMessageHistory(chain, lambda name: history_on(counting, name), **KEYS).invoke(
            {"question": text}, session(thread)
        )
    assert on_thread(counting, thread) == TURNS


def test_a_failed_run_leaves_the_question_out(serve: Serve, connect: Connect) -> None:
    """The framework adds nothing then; sent again, the question is a turn like any other."""
    service = serve(ScriptByText({"Fail.": Script(error=("engine_error", "Broken."))}, Script(output_text="Fine.")))
    history = history_on(service, None)
    chain = RunnableWithMessageHistory(PROMPT | connect(service), lambda _: history, **KEYS)
    chain.invoke({"question": "Hi"}, session("one"))
    with pytest.raises(RunFailedError):
        chain.invoke({"question": "Fail."}, session("one"))
    chain.invoke({"question": "Better?"}, session("one"))
    assert [message.content for message in history.messages] == ["Be brief.", "Hi", "Fine.", "Better?", "Fine."]
    assert "Fail." in on_thread(service, history.thread_id)


@pytest.mark.parametrize("keys", [KEYS, {}])
def test_turns_of_another_model_go_with_the_next_run(
    counting: LocalLumnis, model: ChatLumnis, sessions: Sessions, keys: dict[str, Any]
) -> None:
    """A history also serves a model that stores nothing: its turns wait, also equal ones, and are sent once."""
    before = PROMPT if keys else RunnableLambda(lambda messages: messages)
    wrap: Callable[[str], Any] = (lambda text: {"question": text}) if keys else (lambda text: [HumanMessage(text)])
    other = FakeListChatModel(responses=["Yes."])
    foreign = RunnableWithMessageHistory(before | other, sessions, **keys)
    own = RunnableWithMessageHistory(before | model, sessions, **keys)
    own.invoke(wrap("Hi"), session("one"))
    for _ in range(2):
        foreign.invoke(wrap("Sure?"), session("one"))
    own.invoke(wrap("Bye"), session("one"))
    stored = on_thread(counting, sessions("one").thread_id)
    assert stored[-6:-1] == ["Sure?", "Yes.", "Sure?", "Yes.", "Bye"]
    assert [message.content for message in sessions("one").messages] == stored


async def test_a_graph_reads_and_goes_on_in_a_thread(counting: LocalLumnis, model: ChatLumnis) -> None:
    """Messages of a history in a graph's state continue their thread, and reading them again adds nothing twice."""

    async def agent(state: MessagesState) -> dict[str, list[BaseMessage]]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState).add_node(agent).add_edge(START, "agent").compile()
    history = history_on(counting)
    for text in ("Hi", "yes", "yes"):
        past: list[Any] = list(await history.aget_messages())
        state = await graph.ainvoke({"messages": [*past, *past, HumanMessage(text)]})
        await history.aadd_messages(state["messages"])
    await history.aclose()
    assert [*map(type, state["messages"])] == [HumanMessage, AIMessage] * 3
    assert on_thread(counting, history.thread_id) == [
        "Hi",
        "I got 1.",
        "yes",
        "I got 3.",
        "yes",
        "I got 5.",
    ]
    assert len(history.messages) == 6


async def test_the_event_loop_is_never_blocked(counting: LocalLumnis, model: ChatLumnis) -> None:
    """Reading, adding, titles and clearing wait without holding up others."""
    history = history_on(counting)
    with no_blocking():
        await history.aset_title("Later")
        assert await history.aget_title() == "Later"
        made = await asyncio.gather(*(history.acreate_thread() for _ in range(3)))
        assert {*made, await history.acreate_thread()} == {history.thread_id}
        for text in ("Hi", "yes"):
            await history.aadd_messages([HumanMessage(text)])
            await history.aadd_messages([await model.ainvoke(await history.aget_messages())])
        assert len(await history.aget_messages()) == 4
        await history.aset_title("Tides")
        assert "Tides" in [thread.title for thread in await history.alist_threads()]
        assert await history.aget_title() == "Tides"
        for _ in range(2):
            await history.aclear()
        await history.aclose()


@pytest.mark.parametrize("reads_again", [True, False])
def test_a_history_that_adopts_a_thread_finds_the_turn_in_it(
    counting: LocalLumnis, model: ChatLumnis, reads_again: bool
) -> None:
    """Whoever knows the thread of a text answer can pass it to the history before the turn is added."""
    history = history_on(counting)
    assert history.messages == []
    answer = model.invoke("Hi")
    history.adopt_thread(answer.response_metadata["thread_id"])
    if reads_again:
        assert len(history.messages) == 2
    history.add_messages([AIMessage(answer.text)] if reads_again else [HumanMessage("Hi"), AIMessage(answer.text)])
    assert len(history.messages) == 2
    history.close()
