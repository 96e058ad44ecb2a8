from __future__ import annotations

import asyncio
import pickle
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import ContextChatEngine, SimpleChatEngine
from llama_index.core.memory import Memory
from llama_index.core.storage.chat_store.base_db import MessageStatus

from lumnisai_core import Client
from lumnisai_core.exceptions import ConfigurationError
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.llama_index import LumnisLLM
from lumnisai_integrations.llama_index.lumnis.chat_store import LumnisChatStore
from tests.llama_index.conftest import Stage
from tests.llama_index.conversations import OneNode, are_stored, echo, texts, thread_turns
from tests.loops import no_blocking

StoreOf = Callable[..., LumnisChatStore]


@pytest.fixture
async def store_of(local: LocalLumnis, stage: Stage, llm: LumnisLLM) -> AsyncIterator[StoreOf]:
    """Makes stores on the service; afterwards their connections and those of the LLM are closed."""
    stage.answer(echo)
    made: list[LumnisChatStore] = []

    def make(**fields: object) -> LumnisChatStore:
        known = {"api_key": local.api_key, "base_url": local.base_url, "user_id": "ada"}
        made.append(LumnisChatStore(**{**known, **fields}))
        return made[-1]

    yield make
    for store in made:
        await store.aclose()
    await llm.aclose()


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "sessions.db")


def user(text: str) -> ChatMessage:
    return ChatMessage(role="user", content=text)


def users(turns: list[tuple[str, str]]) -> list[str]:
    return [text for role, text in turns if role == "user"]


def engine_on(store: LumnisChatStore, llm: LumnisLLM, key: str = "s-1") -> SimpleChatEngine:
    memory = Memory.from_defaults(session_id=key, chat_store=store)
    return SimpleChatEngine.from_defaults(llm=llm, memory=memory)


class TestSessions:
    @pytest.mark.parametrize("in_file", [False, True])
    async def test_every_turn_is_on_the_thread_once(
        self, in_file: bool, path: str, store_of: StoreOf, llm: LumnisLLM, client: Client
    ) -> None:
        """Behind `Memory`, streamed or not."""
        store = store_of(path=path if in_file else None)
        engine = engine_on(store, llm)
        answers = [str(await engine.achat("Hello")), str(await engine.achat("Hello"))]
        stream = await engine.astream_chat("And?")
        answers.append("".join([text async for text in stream.async_response_gen()]))
        assert answers == ["Hello! (1)", "Hello! (3)", "And?! (5)"]
        turns = thread_turns(client, await store.get_thread_id("s-1"))
        assert users(turns) == ["Hello", "Hello", "And?"]
        assert texts(await store.get_messages("s-1")) == turns
        assert await store.count_messages("s-1") == 6

    async def test_engines_that_put_the_question_late_lose_nothing(
        self, store_of: StoreOf, llm: LumnisLLM, client: Client
    ) -> None:
        """Their first run cannot know the thread; the second one takes the first turn along."""
        store = store_of()
        memory = Memory.from_defaults(session_id="s-1", chat_store=store)
        engine = ContextChatEngine.from_defaults(retriever=OneNode(), llm=llm, memory=memory)
        for text in ("Hello", "And?", "More"):
            await engine.achat(text)
        turns = thread_turns(client, await store.get_thread_id("s-1"))
        assert users(turns) == ["Hello", "And?", "More"]
        assert len(turns) == 6

    async def test_keys_do_not_mix(self, store_of: StoreOf, llm: LumnisLLM, client: Client) -> None:
        """Sessions that share an LLM and a store, at the same time."""
        store = store_of()
        engines = [engine_on(store, llm, f"s-{number}") for number in range(4)]
        for turn in range(2):
            await asyncio.gather(*(engine.achat(f"{at} {turn}") for at, engine in enumerate(engines)))
        for at in range(4):
            turns = thread_turns(client, await store.get_thread_id(f"s-{at}"))
            assert users(turns) == [f"{at} 0", f"{at} 1"]
        assert await store.get_keys() == ["s-0", "s-1", "s-2", "s-3"]

    async def test_a_session_has_one_thread(self, store_of: StoreOf, path: str, client: Client) -> None:
        """Also if it is first read by several at once."""
        before = client.threads.list(limit=1).total
        stores = [store_of(path=path), store_of(path=path)]
        await stores[0].add_message("s-1", user("Hello"))
        got = await asyncio.gather(*(store.get_messages("s-1") for store in stores * 2))
        assert len({messages[0].additional_kwargs["lumnis_thread_id"] for messages in got}) == 1
        assert client.threads.list(limit=1).total == before + 1

    async def test_nothing_is_begun_for_an_unknown_key(self, store_of: StoreOf) -> None:
        """Reading makes neither a session nor a thread."""
        store = store_of()
        assert await store.get_messages("s-1") == []
        assert await store.count_messages("s-1", status=None) == 0
        assert await store.get_keys() == []
        assert await store.get_thread_id("s-1") is None

    async def test_threads_of_keys_may_be_passed(self, store_of: StoreOf, llm: LumnisLLM, client: Client) -> None:
        """A session continues the thread that the application knows for it, until it is deleted."""
        thread = client.invoke("Hello").thread_id
        assert thread is not None
        store = store_of(threads={"s-1": thread})
        assert await store.get_keys() == ["s-1"]
        assert texts(await store.get_messages("s-1")) == [("user", "Hello"), ("assistant", "Hello! (1)")]
        assert str(await engine_on(store, llm).achat("And?")) == "And?! (3)"
        await store.delete_messages("s-1")
        assert await store.get_messages("s-1") == []
        assert str(await engine_on(store, llm).achat("And?")) == "And?! (1)"

    @pytest.mark.parametrize("in_file", [False, True])
    async def test_nothing_blocks_the_event_loop(self, in_file: bool, path: str, store_of: StoreOf) -> None:
        """Neither the service nor the file."""
        store = store_of(path=path if in_file else None)
        await store.add_message("s-1", user("Hello"))
        await store.get_messages("s-1")  # connects, which reads certificates
        with no_blocking():
            await store.add_messages("s-1", [user("1"), user("2")])
            await store.set_messages("s-1", await store.get_messages("s-1"))
            await store.archive_oldest_messages("s-1", 1)
            await store.delete_oldest_messages("s-1", 1)
            assert await store.count_messages("s-1", status=None) == 2
            assert await store.get_keys() == ["s-1"]


class TestRestarts:
    async def test_a_file_survives(self, store_of: StoreOf, path: str, llm: LumnisLLM, client: Client) -> None:
        """Threads, what waits, and what is archived."""
        first = store_of(path=path)
        await engine_on(first, llm).achat("Hello")
        await first.archive_oldest_messages("s-1", 1)
        await first.add_message("s-1", user("Left behind"))
        second = store_of(path=path)
        assert await second.get_thread_id("s-1") == await first.get_thread_id("s-1")
        assert texts(await second.get_messages("s-1", MessageStatus.ARCHIVED)) == [("user", "Hello")]
        await engine_on(second, llm).achat("And?")
        assert users(thread_turns(client, await second.get_thread_id("s-1"))) == ["Hello", "Left behind", "And?"]

    async def test_users_do_not_see_each_other_in_a_file(self, store_of: StoreOf, path: str) -> None:
        """The same key is another session for another user."""
        await store_of(path=path).add_message("s-1", user("Hello"))
        other = store_of(path=path, user_id="grace")
        assert await other.get_keys() == []
        assert await other.get_messages("s-1") == []

    async def test_a_file_is_its_owner_s(self, store_of: StoreOf, path: str) -> None:
        """It holds messages of people."""
        await store_of(path=path).add_message("s-1", user("Hello"))
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600

    async def test_a_file_may_be_a_path(self, store_of: StoreOf, path: str, llm: LumnisLLM) -> None:
        """And stays one in saved forms."""
        store = store_of(path=Path(path))
        await engine_on(store, llm).achat("Hello")
        restored = LumnisChatStore.model_validate_json(store.model_dump_json())
        assert await restored.count_messages("s-1") == 2
        await restored.aclose()

    async def test_an_unusable_file_is_an_error(self, store_of: StoreOf, path: str, tmp_path: Path) -> None:
        """Before anything is sent, with its name."""
        Path(path).write_text("Not a database. " * 100)
        for unusable in (path, str(tmp_path / "missing" / "sessions.db"), str(tmp_path)):
            with pytest.raises(ConfigurationError, match="cannot be kept in path="):
                await store_of(path=unusable).add_message("s-1", user("Hello"))

    async def test_a_store_without_a_file_can_be_saved(
        self, store_of: StoreOf, llm: LumnisLLM, local: LocalLumnis, client: Client
    ) -> None:
        """What it knows is part of what pydantic dumps and of a pickle; the key is not, but it is found again."""
        store = store_of()
        await engine_on(store, llm).achat("Hello")
        forms = [repr(store), store.model_dump_json(), repr(pickle.dumps(store))]
        assert not [form for form in forms if local.api_key in form]
        thread = await store.get_thread_id("s-1")
        copies = [
            LumnisChatStore.model_validate(store.model_dump()),
            LumnisChatStore.model_validate_json(store.model_dump_json()),
            pickle.loads(pickle.dumps(store)),
        ]
        for number, restored in enumerate(copies):
            await engine_on(restored, llm).achat(str(number))
            assert await restored.get_thread_id("s-1") == thread
            await restored.aclose()
        assert users(thread_turns(client, thread)) == ["Hello", "0", "1", "2"]


class TestChanging:
    async def test_archived_messages_stay_known_to_the_agent(self, store_of: StoreOf, llm: LumnisLLM) -> None:
        """They leave the queue, not the thread."""
        store = store_of()
        engine = engine_on(store, llm)
        await engine.achat("Hello")
        archived = await store.archive_oldest_messages("s-1", 2)
        assert texts(archived) == [("user", "Hello"), ("assistant", "Hello! (1)")]
        assert await store.get_messages("s-1") == []
        assert await store.count_messages("s-1", MessageStatus.ARCHIVED) == 2
        assert str(await engine.achat("And?")) == "And?! (3)"

    async def test_a_full_memory_archives_and_continues(
        self, store_of: StoreOf, llm: LumnisLLM, client: Client
    ) -> None:
        """The queue of `Memory` has a limit, the thread has none."""
        store = store_of()
        memory = Memory.from_defaults(session_id="s-1", chat_store=store, token_limit=400, token_flush_size=50)
        engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory)
        for number in range(4):
            await engine.achat(f"{number} " + "tide " * 40)
        turns = thread_turns(client, await store.get_thread_id("s-1"))
        assert [text[0] for text in users(turns)] == ["0", "1", "2", "3"]
        assert await store.count_messages("s-1", MessageStatus.ARCHIVED) > 0
        assert await store.count_messages("s-1", status=None) == 8

    async def test_what_is_deleted_is_unknown_to_the_agent(
        self, store_of: StoreOf, llm: LumnisLLM, client: Client
    ) -> None:
        """The session continues in a new thread, with the messages that are left."""
        store = store_of()
        engine = engine_on(store, llm)
        await engine.achat("My code is 1234")
        await engine.achat("Hello")
        old = await store.get_thread_id("s-1")
        gone = await store.delete_oldest_messages("s-1", 2)
        assert [message.content for message in gone] == ["My code is 1234", "My code is 1234! (1)"]
        assert str(await engine.achat("And?")) == "And?! (3)"
        new = await store.get_thread_id("s-1")
        assert new != old
        assert users(thread_turns(client, new)) == ["Hello", "And?"]

    async def test_one_message_is_deleted_by_its_position(self, store_of: StoreOf) -> None:
        """Among all messages, from 0; a position that is not there changes nothing."""
        store = store_of()
        await store.add_messages("s-1", [user("0"), user("1"), user("2")])
        thread = (await store.get_messages("s-1"))[0].additional_kwargs["lumnis_thread_id"]
        deleted = await store.delete_message("s-1", 1)
        assert deleted is not None
        assert deleted.content == "1"
        assert await store.delete_message("s-1", 5) is None
        assert await store.delete_message("s-1", -1) is None
        assert [message.content for message in await store.get_messages("s-1")] == ["0", "2"]
        assert await store.get_thread_id("s-1") == thread  # it held none of them

    @pytest.mark.parametrize("in_file", [False, True])
    async def test_messages_are_deleted_by_status(self, in_file: bool, path: str, store_of: StoreOf) -> None:
        """Without a status all are, and the session is forgotten."""
        store = store_of(path=path if in_file else None)
        await store.add_messages("s-1", [user("0"), user("1")])
        await store.archive_oldest_messages("s-1", 1)
        await store.delete_messages("s-1", MessageStatus.ARCHIVED)
        assert texts(await store.get_messages("s-1", status=None)) == [("user", "1")]
        await store.delete_messages("s-1")
        assert await store.get_keys() == []

    async def test_pages(self, store_of: StoreOf) -> None:
        """Offset and limit, as of other stores."""
        store = store_of()
        await store.add_messages("s-1", [user(str(number)) for number in range(5)])
        assert [message.content for message in await store.get_messages("s-1", limit=2, offset=1)] == ["1", "2"]
        assert [message.content for message in await store.get_messages("s-1", offset=3)] == ["3", "4"]

    async def test_setting_what_was_got_continues_the_thread(self, store_of: StoreOf, llm: LumnisLLM) -> None:
        """Other messages begin a new one."""
        store = store_of()
        await engine_on(store, llm).achat("Hello")
        thread = await store.get_thread_id("s-1")
        await store.set_messages("s-1", [*await store.get_messages("s-1"), user("And?")])
        assert are_stored(await store.get_messages("s-1")) == [True, True, False]
        assert await store.get_thread_id("s-1") == thread
        await store.set_messages("s-1", [user("Anew")])
        assert texts(await store.get_messages("s-1")) == [("user", "Anew")]
        assert await store.get_thread_id("s-1") != thread
