from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import pytest
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.chat_engine import CondensePlusContextChatEngine, ContextChatEngine, SimpleChatEngine
from llama_index.core.chat_engine.types import BaseChatEngine
from llama_index.core.llms import MockLLM
from llama_index.core.memory import BaseMemory

from lumnisai_core import Client
from lumnisai_core.exceptions import MissingUserId, NotFoundError, RunFailedError, ValidationError
from lumnisai_core.local import LocalLumnis, Script
from lumnisai_integrations.llama_index import LumnisLLM
from lumnisai_integrations.llama_index.lumnis.memory import LumnisThreadMemory
from tests.llama_index.conftest import Stage
from tests.llama_index.conversations import OneNode, Remember, are_stored, echo, remember, texts, thread_turns
from tests.loops import no_blocking

__all__ = ["remember"]  # the fixture

EngineOf = Callable[[LumnisLLM, BaseMemory], BaseChatEngine]


def user(text: str) -> ChatMessage:
    return ChatMessage(role="user", content=text)


def assistant(text: str) -> ChatMessage:
    return ChatMessage(role="assistant", content=text)


def simple(llm: LumnisLLM, memory: BaseMemory) -> BaseChatEngine:
    return SimpleChatEngine.from_defaults(llm=llm, memory=memory, system_prompt="Be short.")


def context(llm: LumnisLLM, memory: BaseMemory) -> BaseChatEngine:
    return ContextChatEngine.from_defaults(retriever=OneNode(), llm=llm, memory=memory)


def condense(llm: LumnisLLM, memory: BaseMemory) -> BaseChatEngine:
    return CondensePlusContextChatEngine.from_defaults(retriever=OneNode(), llm=llm, memory=memory, skip_condense=True)


@pytest.mark.parametrize("engine_of", [simple, context, condense])
async def test_every_turn_of_a_chat_engine_is_on_the_thread_once(
    engine_of: EngineOf, remember: Remember, llm: LumnisLLM, client: Client
) -> None:
    """Blocking or not, streamed or not, also the same text twice."""
    before = client.threads.list(limit=1).total
    memory = remember()
    engine = engine_of(llm, memory)
    answers = [str(engine.chat("Hello")), str(engine.chat("Hello")), "".join(engine.stream_chat("And?").response_gen)]
    answers.append(str(await engine.achat("Go on")))
    stream = await engine.astream_chat("More")
    answers.append("".join([text async for text in stream.async_response_gen()]))
    asked = ["Hello", "Hello", "And?", "Go on", "More"]
    both = [turn for pair in zip(asked, answers, strict=True) for turn in (("user", pair[0]), ("assistant", pair[1]))]
    assert thread_turns(client, memory.thread_id) == both
    assert texts(engine.chat_history) == both
    assert client.threads.list(limit=1).total == before + 1
    assert [int(answer[answer.index("(") + 1 : -1]) for answer in answers] == [2, 4, 6, 8, 10]  # instructions once


class TestWhatIsReturned:
    async def test_copies_say_where_messages_are(self, remember: Remember, llm: LumnisLLM) -> None:
        """What the thread holds is tagged with it and as stored; what waits is tagged with the thread alone."""
        memory = remember()
        simple(llm, memory).chat("Hello")
        memory.put(user("And?"))
        got = memory.get()
        assert {message.additional_kwargs["lumnis_thread_id"] for message in got} == {memory.thread_id}
        assert are_stored(got) == [True, True, False]
        got[0].blocks.clear()
        got[-1].additional_kwargs.clear()
        assert memory.get()[0].content == "Hello"
        assert are_stored(await memory.aget()) == [True, True, False]

    async def test_what_is_put_is_not_changed_and_not_shared(self, remember: Remember) -> None:
        """Neither does the memory tag the caller's message, nor does a later change of it reach the memory."""
        memory, message = remember(), user("Hello")
        memory.put(message)
        memory.get()
        assert message.additional_kwargs == {}
        message.content = "Other"
        assert texts(memory.get_all()) == [("user", "Hello")]

    async def test_nothing_is_sent_for_an_empty_memory(self, remember: Remember, client: Client) -> None:
        """Only what a run is for needs a thread."""
        before = client.threads.list(limit=1).total
        memory = remember()
        assert memory.get() == memory.get_all() == await memory.aget() == await memory.aget_all() == []
        assert memory.thread_id is None
        assert client.threads.list(limit=1).total == before

    async def test_before_the_first_turn_there_are_no_messages(self, remember: Remember) -> None:
        """Engines that put the question only after its run have nothing to condense then."""
        memory = remember()
        assert memory.get(input="Hello") == memory.get_all() == []
        assert await remember().aget(input="Hello") == []

    async def test_turns_of_others_are_part_of_the_conversation(self, remember: Remember, client: Client) -> None:
        """A thread that exists is read, without the instructions of its runs; so is what comes to it elsewhere."""
        client.invoke([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}])
        thread = client.responses.list(limit=1).items[0].thread_id
        memory = remember(thread_id=thread)
        assert texts(memory.get()) == [("user", "Hello"), ("assistant", "Hello! (2)")]
        client.invoke("And?", thread_id=thread)
        assert texts(await memory.aget())[2:] == [("user", "And?"), ("assistant", "And?! (4)")]

    async def test_a_text_like_an_old_one_is_new(self, remember: Remember, llm: LumnisLLM, client: Client) -> None:
        """A message that is put before the thread was read is none of those it holds."""
        thread = client.invoke("Yes").thread_id
        memory = remember(thread_id=thread)
        simple(llm, memory).chat("Yes")
        assert [text for role, text in thread_turns(client, thread) if role == "user"] == ["Yes", "Yes"]

    async def test_copies_of_a_memory_may_take_turns(self, remember: Remember, llm: LumnisLLM, client: Client) -> None:
        """As those of several processes: each reads what the others did, and equal texts are different messages."""
        memory = remember()
        simple(llm, memory).chat("Hello")
        for copied in [deepcopy(memory), deepcopy(memory), memory]:
            simple(llm, copied).chat("Go on")
            copied.close()
        turns = thread_turns(client, memory.thread_id)
        assert [text for role, text in turns if role == "user"] == ["Hello", *["Go on"] * 3]
        assert texts(memory.get()) == turns

    async def test_long_threads_are_read_to_their_begin(self, remember: Remember, client: Client) -> None:
        """Page by page, and afterwards only what is new."""
        thread = client.invoke("0").thread_id
        for number in range(1, 13):
            client.invoke(str(number), thread_id=thread)
        memory = remember(thread_id=thread)
        assert [message.content for message in memory.get()[::2]] == [str(number) for number in range(13)]
        for number in range(13, 25):
            client.invoke(str(number), thread_id=thread)
        assert [message.content for message in (await memory.aget())[::2]] == [str(number) for number in range(25)]

    async def test_one_thread_is_made_by_many_readers_at_once(self, remember: Remember, client: Client) -> None:
        """And no second one stays behind."""
        before = client.threads.list(limit=1).total
        memory = remember()
        memory.put(user("Hello"))
        got = await asyncio.gather(*(memory.aget() for _ in range(8)))
        assert {messages[0].additional_kwargs["lumnis_thread_id"] for messages in got} == {memory.thread_id}
        memory = remember()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: memory.get(input="Hello"), range(8)))
        assert memory.thread_id is not None
        assert client.threads.list(limit=1).total == before + 2

    async def test_asynchronous_calls_do_not_block(self, remember: Remember) -> None:
        """None of them waits in the event loop."""
        memory = remember()
        await memory.aget(input="Hello")  # connects, which reads certificates
        with no_blocking():
            await memory.aput(user("Hello"))
            await memory.aput_messages([assistant("Hi")])
            history = await memory.aget()
            await memory.aset([*history, user("And?")])
            assert len(await memory.aget_all()) == 3
            await memory.areset()


class TestWithoutRuns:
    async def test_with_another_llm_it_is_a_plain_list(self, remember: Remember) -> None:
        """Nothing is on the thread, so everything is kept here and part of each call."""
        memory = remember()
        engine = SimpleChatEngine.from_defaults(llm=MockLLM(), memory=memory)
        engine.chat("Hello")
        await engine.achat("And?")
        assert [message.content for message in memory.get() if message.role == "user"] == ["Hello", "And?"]
        assert are_stored(memory.get()) == [False] * 4

    async def test_messages_of_a_failed_run_wait_for_the_next_one(
        self, remember: Remember, llm: LumnisLLM, stage: Stage, client: Client
    ) -> None:
        """The agent does not know the messages of a run that failed."""
        memory = remember()
        engine = simple(llm, memory)
        stage.play(Script(error=("NO_TABLE", "There is no tide table.")))
        with pytest.raises(RunFailedError):
            engine.chat("First")
        assert are_stored(memory.get()) == [False]
        stage.answer(echo)
        engine.chat("Second")
        assert [text for role, text in thread_turns(client, memory.thread_id) if role == "user"] == ["First", "Second"]
        assert are_stored(memory.get()) == [True, True, True]

    async def test_messages_without_words_are_sent_once(
        self, remember: Remember, llm: LumnisLLM, stage: Stage, client: Client
    ) -> None:
        """Neither an empty question nor an empty answer goes out again with later turns."""
        memory = remember()
        engine = simple(llm, memory)
        for question in ("", "  "):
            engine.chat(question)
        stage.play(Script(output_text=""))
        engine.chat("Silence")
        stage.answer(echo)
        engine.chat("Last")
        asked = [text for role, text in thread_turns(client, memory.thread_id) if role == "user"]
        assert asked == ["", "  ", "Silence", "Last"]
        messages = memory.get()
        assert [message.role for message in messages] == [MessageRole.USER, MessageRole.ASSISTANT] * 4
        assert all(are_stored(messages))

    async def test_a_user_is_needed(self, remember: Remember) -> None:
        """The thread is somebody's."""
        memory = remember(user_id=None)
        memory.put(user("Hello"))
        with pytest.raises(MissingUserId):
            memory.get()

    async def test_a_thread_that_is_gone_is_an_error(self, remember: Remember, client: Client) -> None:
        """Nothing is begun anew behind the user's back."""
        memory = remember(thread_id=client.create_thread().thread_id)
        memory.put(user("Hello"))
        client.threads.delete(memory.thread_id or "")
        with pytest.raises(NotFoundError):
            memory.get()
        with pytest.raises(NotFoundError):
            await memory.aget()
        memory.reset()
        assert memory.get() == []


class TestBeginningAnew:
    async def test_reset_begins_a_new_thread(self, remember: Remember, llm: LumnisLLM, client: Client) -> None:
        """The old thread stays as it is."""
        memory = remember()
        engine = simple(llm, memory)
        engine.chat("Hello")
        old = memory.thread_id
        await memory.areset()
        assert memory.get_all() == []
        assert str(engine.chat("Who am I?")) == "Who am I?! (2)"
        assert len(thread_turns(client, old)) == 2
        assert len(thread_turns(client, memory.thread_id)) == 2

    async def test_a_history_of_one_s_own_begins_a_new_thread(
        self, remember: Remember, llm: LumnisLLM, client: Client
    ) -> None:
        """The next run takes it along."""
        memory = remember()
        engine = simple(llm, memory)
        engine.chat("Hello")
        history = [user("My port is Ostend."), assistant("I see.")]
        engine.chat("Which port?", chat_history=history)
        assert thread_turns(client, memory.thread_id)[:3] == [*texts(history), ("user", "Which port?")]
        assert are_stored(memory.get()) == [True] * 4

    async def test_the_history_of_the_memory_itself_continues_the_thread(
        self, remember: Remember, llm: LumnisLLM, client: Client
    ) -> None:
        """As users of chat engines pass it: whole."""
        memory = remember()
        engine = simple(llm, memory)
        engine.chat("Hello")
        thread = memory.thread_id
        engine.chat("And?", chat_history=engine.chat_history)
        await engine.achat("More", chat_history=engine.chat_history)
        assert memory.thread_id == thread
        assert [text for role, text in thread_turns(client, thread) if role == "user"] == ["Hello", "And?", "More"]

    async def test_a_shorter_history_begins_a_new_thread(
        self, remember: Remember, llm: LumnisLLM, client: Client
    ) -> None:
        """The thread holds more than that, and it cannot shrink."""
        memory = remember()
        engine = simple(llm, memory)
        engine.chat("Hello")
        shorter = memory.get_all()
        engine.chat("Forget this")
        thread = memory.thread_id
        await memory.aset(shorter)
        assert str(engine.chat("And?")) == "And?! (4)"
        assert memory.thread_id != thread


class TestSavedForms:
    @pytest.mark.parametrize(
        "restore",
        [
            lambda memory: LumnisThreadMemory.from_dict(memory.to_dict()),
            lambda memory: LumnisThreadMemory.from_json(memory.to_json()),
            lambda memory: LumnisThreadMemory.model_validate(memory.model_dump()),
            lambda memory: LumnisThreadMemory.model_validate_json(memory.model_dump_json()),
            lambda memory: pickle.loads(pickle.dumps(memory)),
            deepcopy,
        ],
    )
    async def test_a_restored_memory_continues(
        self,
        restore: Callable[[LumnisThreadMemory], LumnisThreadMemory],
        remember: Remember,
        llm: LumnisLLM,
        client: Client,
    ) -> None:
        """Also what no run has stored is there."""
        memory = remember()
        simple(llm, memory).chat("Hello")
        memory.put(user("Left behind"))
        restored = restore(memory)
        simple(llm, restored).chat("And?")
        users = [text for role, text in thread_turns(client, memory.thread_id) if role == "user"]
        assert users == ["Hello", "Left behind", "And?"]
        assert texts(restored.get()) == thread_turns(client, restored.thread_id)
        restored.close()

    async def test_the_key_is_in_no_saved_form(self, remember: Remember, local: LocalLumnis) -> None:
        """Neither in what is dumped nor in what is printed."""
        memory = remember(thread_id="3f2b1a34-0000-4000-8000-000000000000")
        memory.put(user("Hello"))
        forms = [repr(memory), str(memory), memory.to_json(), memory.model_dump_json(), repr(pickle.dumps(memory))]
        assert not [form for form in forms if local.api_key in form]
        assert memory.to_dict()["thread_id"] == "3f2b1a34-0000-4000-8000-000000000000"

    async def test_the_key_is_not_sent_to_another_service(
        self, remember: Remember, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A saved form whose address was changed gets the key of the environment, as any new memory."""
        monkeypatch.setenv("LUMNISAI_API_KEY", "of-the-environment")
        saved = remember().to_dict() | {"base_url": "https://elsewhere.example"}
        assert LumnisThreadMemory.from_dict(saved).api_key is None


class TestMaking:
    async def test_from_defaults_takes_over_the_llm_s_connection(self, llm: LumnisLLM, remember: Remember) -> None:
        """So that user and service need not be passed twice."""
        memory = LumnisThreadMemory.from_defaults(chat_history=[user("Hello")], llm=llm, token_limit=3000)
        assert (memory.user_id, memory.base_url, memory.api_key) == (llm.user_id, llm.base_url, llm.api_key)
        assert texts(memory.get()) == [("user", "Hello")]
        memory.close()

    async def test_another_llm_has_no_connection_to_use(self, local: LocalLumnis) -> None:
        """The arguments of the class are all there is."""
        memory = LumnisThreadMemory.from_defaults(llm=MockLLM(), api_key=local.api_key, base_url=local.base_url)
        assert (memory.user_id, memory.base_url) == (None, local.base_url)

    async def test_a_history_and_a_thread_exclude_each_other(self, llm: LumnisLLM) -> None:
        """The thread has its own history."""
        with pytest.raises(ValidationError, match="thread_id=t-1 continues one that exists"):
            LumnisThreadMemory.from_defaults(chat_history=[user("Hello")], llm=llm, thread_id="t-1")

    async def test_the_thread_of_the_llm_wins(
        self, make: Callable[..., LumnisLLM], remember: Remember, client: Client
    ) -> None:
        """A memory without a thread of its own follows the answers to where the LLM's runs are."""
        thread = client.create_thread().thread_id
        memory = remember()
        engine = SimpleChatEngine.from_defaults(llm=make(thread_id=thread), memory=memory)
        for text in ("Hello", "And?"):
            engine.chat(text)
        assert memory.thread_id == thread
        assert [text for role, text in thread_turns(client, thread) if role == "user"] == ["Hello", "And?"]
