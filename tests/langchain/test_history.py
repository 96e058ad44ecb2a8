"""Threads as LangChain's chat message history, without losing or doubling a turn."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from lumnisai_core import AsyncClient, Client
from lumnisai_core.exceptions import ConfigurationError, NotFoundError, RunFailedError, ValidationError
from lumnisai_core.local import LocalLumnis, Script
from lumnisai_integrations.langchain import ChatLumnis, LumnisChatMessageHistory
from tests.conftest import Serve
from tests.langchain.conftest import USER, Connect
from tests.servers import GatedEngine, HistoryEngine, ScriptByText

Remember = Callable[..., LumnisChatMessageHistory]
SHUT = "http://127.0.0.1:9"  # nothing listens there


@pytest.fixture(scope="module")
def talking() -> Iterator[LocalLumnis]:
    """A service whose answers contain the number of messages that the agent got, and their texts."""
    with LocalLumnis(engine=HistoryEngine()) as service:
        yield service


@pytest.fixture
def model(talking: LocalLumnis, connect: Connect) -> ChatLumnis:
    """A chat model of that service."""
    return connect(talking)


@pytest.fixture
def remember(talking: LocalLumnis) -> Iterator[Remember]:
    """Make a history on that service, or on another: ``remember(thread_id, base_url=...)``."""
    made: list[LumnisChatMessageHistory] = []

    def make(thread_id: Any = None, **arguments: Any) -> LumnisChatMessageHistory:
        known = {"api_key": talking.api_key, "base_url": talking.base_url, "user_id": USER}
        made.append(LumnisChatMessageHistory(thread_id, **known | arguments))
        return made[-1]

    yield make
    for history in made:
        history.close()


def texts(messages: list[BaseMessage]) -> list[tuple[str, str]]:
    return [(message.type, str(message.content)) for message in messages]


def persisted(messages: list[BaseMessage]) -> list[bool | None]:
    return [message.additional_kwargs.get("lumnis_persisted") for message in messages]


# Reading


def test_messages_are_tagged_copies_of_what_the_thread_holds(model: ChatLumnis, remember: Remember) -> None:
    """Copies name thread and run and have the same ids each time; changing one changes nothing."""
    answer = model.invoke([SystemMessage("Be brief."), HumanMessage("Hi")])
    thread = answer.response_metadata["thread_id"]
    history = remember(thread)
    shown = history.messages
    assert texts(shown) == [("system", "Be brief."), ("human", "Hi"), ("ai", "2: Be brief. | Hi")]
    assert [message.additional_kwargs for message in shown] == [
        {"lumnis_thread_id": thread, "lumnis_persisted": True}
    ] * 3
    assert (shown[-1].id, None in [message.id for message in shown]) == (answer.id, False)
    assert shown[-1].response_metadata["thread_id"] == thread
    shown[0].content = "Changed"
    shown.clear()
    assert texts(history.messages)[0] == ("system", "Be brief.")
    assert [message.id for message in history.messages] == [message.id for message in remember(thread).messages]


async def test_both_halves_read_the_same(model: ChatLumnis, remember: Remember) -> None:
    history = remember(model.invoke("Hi").response_metadata["thread_id"])
    assert await history.aget_messages() == history.messages
    assert "Human: Hi" in str(history)


def test_an_empty_thread_has_no_messages(remember: Remember) -> None:
    history = remember()
    assert (history.messages, history.thread_id, history.lumnis_thread_id) == ([], None, None)
    thread = history.create_thread()
    assert (history.messages, history.thread_id, history.lumnis_thread_id) == ([], thread, thread)
    assert history.create_thread() == thread


def test_a_long_thread_is_read_whole_and_then_only_its_new_runs(serve: Serve) -> None:
    """All pages are read, oldest turn first; a later reading stops where it meets what it knows."""
    service = serve(Script(output_text="Yes."))
    paths: list[str] = []
    with Client(
        service.api_key, base_url=service.base_url, user_id=USER, on_request=lambda info: paths.append(info.url)
    ) as client:
        thread = client.threads.create().thread_id
        for number in range(101):
            client.invoke(f"turn {number}", thread_id=thread, progress_interval=0.1)
        paths.clear()
        history = LumnisChatMessageHistory(thread, client=client)
        shown = [text for kind, text in texts(history.messages) if kind == "human"]
        assert shown == [f"turn {number}" for number in range(101)]
        assert len(paths) == 3  # two pages, and the empty one behind them
        paths.clear()
        assert len(history.messages) == 202
        assert len(paths) == 1


def test_only_turns_of_runs_that_succeeded_are_shown(serve: Serve, connect: Connect, remember: Remember) -> None:
    """What failed or is under way is not part of the conversation, and can be sent again."""
    service = serve(ScriptByText({"Fail.": Script(error=("engine_error", "Broken."))}, Script(output_text="Fine.")))
    model, history = connect(service), remember(base_url=service.base_url, api_key=service.api_key)
    history.create_thread()
    history.add_user_message("Fail.")
    for _ in range(2):
        with pytest.raises(RunFailedError):
            model.invoke(history.messages)
        assert texts(history.messages) == [("human", "Fail.")]
    history.add_user_message("Work.")
    history.add_message(model.invoke(history.messages))
    assert texts(history.messages) == [("human", "Fail."), ("human", "Work."), ("ai", "Fine.")]
    assert persisted(history.messages) == [True] * 3


def test_a_run_that_ends_later_takes_its_place(serve: Serve) -> None:
    """An older run that was still working when the thread was read is found although newer ones are known."""
    slow, fast = GatedEngine(Script(output_text="Slow.")), Script(output_text="Fast.")
    service = serve(_Pick(slow, fast))
    with Client(service.api_key, base_url=service.base_url, user_id=USER) as client:
        first = client.responses.create("slow")
        history = LumnisChatMessageHistory(first.thread_id, client=client)
        client.invoke("fast", thread_id=first.thread_id, progress_interval=0.1)
        assert texts(history.messages) == [("human", "fast"), ("ai", "Fast.")]
        slow.open()
        client.responses.wait(first.response_id)
        assert texts(history.messages) == [("human", "slow"), ("ai", "Slow."), ("human", "fast"), ("ai", "Fast.")]


class _Pick:
    """Plays the gated engine for the question "slow", else the script."""

    def __init__(self, slow: GatedEngine, fast: Script) -> None:
        self._slow, self._fast = slow, ScriptByText({}, fast)

    async def run(self, request: Any, report: Any) -> Any:
        engine: Any = self._slow if request.input_messages[-1].content == "slow" else self._fast
        return await engine.run(request, report)


def test_tool_turns_are_tool_messages_again(serve: Serve, connect: Connect, remember: Remember) -> None:
    """Calls that a run asked for and their results come back with matching ids, whoever reads them."""
    calls = {"tool_calls": [{"name": "tide", "args": {"port": "Brest"}}, {"name": "tide", "args": {"port": "Rye"}}]}
    scripts = [Script(structured_response=calls), Script(structured_response={"content": "High at noon."})]
    service = serve(scripts)
    tool = {"name": "tide", "description": "Tides.", "parameters": {"type": "object", "properties": {}}}
    model = connect(service, history="server").bind_tools([tool])
    messages: list[BaseMessage] = [HumanMessage("When is high tide?")]
    asked = model.invoke(messages)
    results = [ToolMessage("12:00\nsharp", name="tide", tool_call_id=call["id"]) for call in asked.tool_calls]
    results[1].status = "error"
    answer = model.invoke([*messages, asked, *results])
    thread = answer.response_metadata["thread_id"]
    history = remember(thread, base_url=service.base_url, api_key=service.api_key)
    shown = history.messages
    assert [message.type for message in shown] == ["human", "ai", "tool", "tool", "ai"]
    assert isinstance(shown[1], AIMessage)
    assert shown[1].tool_calls == asked.tool_calls
    assert [shown[2].content, shown[-1].content] == ["12:00\nsharp", "High at noon."]
    assert [(message.tool_call_id, message.status) for message in shown if isinstance(message, ToolMessage)] == [
        (asked.tool_calls[0]["id"], "success"),
        (asked.tool_calls[1]["id"], "error"),
    ]
    history.add_messages([*messages, asked, *results, answer])
    assert len(history.messages) == 5


# Adding


def test_a_turn_that_a_run_stored_is_not_added_again(model: ChatLumnis, remember: Remember) -> None:
    """The first answer brings the thread; the same words again are another turn."""
    history = remember()
    for _ in range(2):
        history.add_user_message("yes")
        history.add_message(model.invoke(history.messages))
    assert texts(history.messages) == [
        ("human", "yes"),
        ("ai", "1: yes"),
        ("human", "yes"),
        ("ai", "3: yes | 1: yes | yes"),
    ]
    assert len(remember(history.thread_id).messages) == 4
    history.add_user_message("yes")
    assert persisted(history.messages) == [True] * 4 + [False]


async def test_asyncio_adds_alike(model: ChatLumnis, remember: Remember) -> None:
    history = remember(title="Yes")
    for _ in range(2):
        await history.aadd_messages([HumanMessage("yes")])
        await history.aadd_messages([await model.ainvoke(await history.aget_messages())])
    assert len(await history.aget_messages()) == 4
    assert await history.aget_title() == "Yes"
    await history.aclose()


def test_what_no_run_stored_waits_for_the_next(model: ChatLumnis, remember: Remember) -> None:
    """Turns of another model and notes go out once, in order, in front of the next question."""
    history = remember(model.invoke("Hi").response_metadata["thread_id"])
    history.add_messages([HumanMessage("Who?"), AIMessage("Ann, says another model.")])
    history.add_messages([HumanMessage("Sure?")])
    assert persisted(history.messages) == [True, True, False, False, False]
    history.add_message(model.invoke(history.messages))
    fresh = remember(history.thread_id)
    assert texts(history.messages) == texts(fresh.messages)
    assert [text for _, text in texts(fresh.messages)][2:5] == ["Who?", "Ann, says another model.", "Sure?"]
    assert persisted(history.messages) == [True] * 6


def test_adding_known_messages_or_none_changes_nothing(model: ChatLumnis, remember: Remember) -> None:
    answer = model.invoke("Hi")
    history = remember(answer.response_metadata["thread_id"])
    history.add_messages([])
    history.add_messages(history.messages)
    history.add_messages([HumanMessage("Hi"), answer])
    assert len(history.messages) == 2


def test_old_words_are_new_to_a_history_that_has_read_nothing(model: ChatLumnis, remember: Remember) -> None:
    """A turn is never taken for one of long ago; only the thread's last answer may be a new one."""
    thread = model.invoke("yes").response_metadata["thread_id"]
    history = remember(thread)
    history.add_user_message("yes")
    assert persisted(history.messages) == [True, True, False]
    history = remember(thread)
    history.add_messages([HumanMessage("yes"), AIMessage("1: yes")])
    assert persisted(history.messages) == [True, True]


def test_answers_of_another_thread_are_refused(model: ChatLumnis, remember: Remember) -> None:
    """Nothing is added then, and the error names both threads."""
    one, other = model.invoke("One"), model.invoke("Other")
    history = remember(one.response_metadata["thread_id"])
    with pytest.raises(ValidationError, match=other.response_metadata["thread_id"]) as caught:
        history.add_messages([HumanMessage("Other"), other])
    assert str(history.thread_id) in str(caught.value)
    assert len(history.messages) == 2
    with pytest.raises(ValidationError, match="only one"):
        remember().add_messages([one, other])
    with pytest.raises(ValidationError, match="is thread"):
        history.adopt_thread(uuid4())


def test_messages_that_cannot_be_sent_are_refused(remember: Remember) -> None:
    """Before anything is kept or sent."""
    history = remember(base_url=SHUT)
    image = HumanMessage([{"type": "image", "url": "https://example.org/a.png"}])
    with pytest.raises(ValidationError, match=r"messages\[1\] holds a block of type 'image'"):
        history.add_messages([HumanMessage("Look"), image])
    assert history.messages == []


# Threads


def test_clearing_deletes_the_thread_and_begins_anew(model: ChatLumnis, remember: Remember) -> None:
    history = remember()
    history.add_message(model.invoke("Hi"))
    history.add_user_message("pending")
    thread = history.thread_id
    for _ in range(2):
        history.clear()
        assert (history.thread_id, history.messages) == (None, [])
    with pytest.raises(NotFoundError):
        _ = remember(thread).messages
    remember(thread).clear()  # it is gone already
    history.add_message(model.invoke("Hi again"))
    assert history.thread_id not in (None, thread)
    assert len(history.messages) == 2


async def test_asyncio_clears_alike(remember: Remember) -> None:
    history = remember()
    thread = await history.acreate_thread()
    await history.aclear()
    await remember(thread).aclear()
    assert (history.thread_id, await history.aget_messages()) == (None, [])


async def test_threads_are_listed_with_their_titles(model: ChatLumnis, remember: Remember) -> None:
    """A title may be set before there is a thread, and wins over the one that the service makes."""
    user = str(uuid4())
    history = remember(user_id=user)
    history.set_title("Tides")
    assert history.get_title() == "Tides"
    history.add_message(model.invoke("Hi", user_id=user))
    second = remember(user_id=user, title="Ports")
    second.create_thread()
    assert {thread.thread_id: thread.title for thread in history.list_threads()} == {
        history.thread_id: "Tides",
        second.thread_id: "Ports",
    }
    await second.aset_title("Harbours")
    assert [thread.title for thread in await history.alist_threads(limit=1)] == [second.get_title()] == ["Harbours"]
    with pytest.raises(ValidationError, match="at most 500 characters, got 501"):
        remember(title="x" * 501)


# Connections and sharing


def test_settings_are_checked_at_once(talking: LocalLumnis) -> None:
    with pytest.raises(ConfigurationError):
        LumnisChatMessageHistory()
    with pytest.raises(TypeError, match="has no host; it has api_key"):
        LumnisChatMessageHistory(host="x")  # type: ignore[call-arg] # that is the mistake
    with pytest.raises(ValidationError, match="non-empty string"):
        LumnisChatMessageHistory(" ", api_key="k")
    with Client("k") as client, pytest.raises(ConfigurationError, match="leave out base_url"):
        LumnisChatMessageHistory(client=client, base_url=SHUT)


async def test_own_clients_are_used_and_stay_open(talking: LocalLumnis) -> None:
    arguments: dict[str, Any] = {"base_url": talking.base_url, "user_id": USER}
    with Client(talking.api_key, **arguments) as client:
        history = LumnisChatMessageHistory(client=client)
        history.create_thread()
        history.close()
        assert client.threads.get(str(history.thread_id)).response_count == 0
        with pytest.raises(ConfigurationError, match="async_client"):
            await history.aget_messages()
    async with AsyncClient(talking.api_key, **arguments) as async_client:
        history = LumnisChatMessageHistory(async_client=async_client)
        await history.acreate_thread()
        await history.aclose()
        assert await history.aget_messages() == []
        with pytest.raises(ConfigurationError, match="only an async_client"):
            _ = history.messages


def test_the_key_is_not_shown_and_not_carried_along(monkeypatch: pytest.MonkeyPatch, remember: Remember) -> None:
    """Copies keep thread and waiting messages; a restored pickle takes the key from the environment."""
    history = remember(api_key="secret-key-1", base_url=SHUT)
    history.add_user_message("Hi")
    assert "secret-key-1" not in repr(history) + str(history.__dict__)
    assert b"secret-key-1" not in pickle.dumps(history)
    for twin in (copy.deepcopy(history), pickle.loads(pickle.dumps(history))):
        assert texts(twin.messages) == [("human", "Hi")]
        twin.add_user_message("More")
    assert len(history.messages) == 1
    assert isinstance(history, BaseChatMessageHistory)


def test_several_loops_and_threads_share_a_history(model: ChatLumnis, remember: Remember) -> None:
    """Each loop has connections of its own, and no added message is lost."""
    history = remember(model.invoke("Hi").response_metadata["thread_id"])
    counts: list[int] = []

    def use(number: int) -> None:
        async def talk() -> None:
            await history.aadd_messages([HumanMessage(f"note {number}")])
            counts.append(len(await history.aget_messages()))
            await history.aclose()

        asyncio.run(talk())

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counts) == 4
    assert {text for _, text in texts(history.messages)[2:]} == {f"note {number}" for number in range(4)}


def test_a_thread_is_made_once(remember: Remember) -> None:
    """Two calls at the same time agree on one thread."""
    user = str(uuid4())
    history = remember(user_id=user)
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.append(history.create_thread())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(made) == {history.thread_id}
    assert [thread.thread_id for thread in history.list_threads()] == [history.thread_id]
