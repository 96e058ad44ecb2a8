"""Turns of engines and agents: what they cost, what the thread keeps of them, and calls beside them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from threading import Barrier, Thread

import pytest
from llama_index.core import SummaryIndex
from llama_index.core.agent.workflow import FunctionAgent, ReActAgent
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock, ToolCallBlock
from llama_index.core.chat_engine import (
    CondensePlusContextChatEngine,
    CondenseQuestionChatEngine,
    ContextChatEngine,
    SimpleChatEngine,
)
from llama_index.core.memory import BaseMemory, FactExtractionMemoryBlock, Memory
from llama_index.core.schema import Document, NodeWithScore, QueryBundle, TextNode
from pydantic import BaseModel

from lumnisai_core import Client
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.local import RunRequest, Script
from lumnisai_integrations.llama_index import LumnisLLM, LumnisThreadMemory
from tests.llama_index.conftest import Stage
from tests.llama_index.conversations import Remember, are_stored, remember, texts, thread_turns

__all__ = ["remember"]  # the fixture

pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning"),
]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "llama_index" / "memory.md"
THOUGHT = 'Thought: I add.\nAction: add\nAction Input: {"a": 1, "b": 2}'


class Found(BaseRetriever):
    """Finds so many long texts, which are others for each question."""

    def __init__(self, count: int = 1) -> None:
        super().__init__()
        self._count = count

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        text = f"About {query_bundle.query_str}: " + "the log says little. " * 100
        return [NodeWithScore(node=TextNode(text=f"Part {at}. {text}"), score=1.0) for at in range(self._count)]


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def reply(request: RunRequest) -> Script:
    """Call a tool once for each question of an agent, otherwise answer with the number of the question."""
    last = request.input_messages[-1].content
    if request.response_format and not last.startswith('{"tool_result"'):
        return Script(structured_response={"tool_calls": [{"name": "add", "args": {"a": 1, "b": 2}}]})
    if request.response_format:
        return Script(structured_response={"content": "Three."})
    is_react = any("Action Input" in message.content for message in request.messages)
    if is_react:
        return Script(output_text="Thought: Done.\nAnswer: Three." if "Observation" in last else THOUGHT)
    return Script(output_text="Noted.")


Ask = Callable[[str], Awaitable[object]]


def simple(llm: LumnisLLM, memory: BaseMemory) -> Ask:
    return SimpleChatEngine.from_defaults(llm=llm, memory=memory, system_prompt="Be short.").achat


def context(llm: LumnisLLM, memory: BaseMemory) -> Ask:
    return ContextChatEngine.from_defaults(retriever=Found(), llm=llm, memory=memory).achat


def refining(llm: LumnisLLM, memory: BaseMemory) -> Ask:
    small = llm.model_copy(update={"context_window": 2000})
    return ContextChatEngine.from_defaults(retriever=Found(3), llm=small, memory=memory).achat


def condensing(llm: LumnisLLM, memory: BaseMemory) -> Ask:
    return CondensePlusContextChatEngine.from_defaults(retriever=Found(), llm=llm, memory=memory).achat


def not_condensing(llm: LumnisLLM, memory: BaseMemory) -> Ask:
    return CondensePlusContextChatEngine.from_defaults(
        retriever=Found(), llm=llm, memory=memory, skip_condense=True
    ).achat


def condensing_question(llm: LumnisLLM, memory: BaseMemory) -> Ask:
    index = SummaryIndex.from_documents([Document(text="The ferry leaves at nine.")])
    return CondenseQuestionChatEngine.from_defaults(index.as_query_engine(llm=llm), llm=llm, memory=memory).achat


def function_agent(llm: LumnisLLM, memory: BaseMemory) -> Ask:
    agent = FunctionAgent(tools=[add], llm=llm, system_prompt="Add.")
    return lambda question: _run(agent, question, memory)


def react_agent(llm: LumnisLLM, memory: BaseMemory) -> Ask:
    agent = ReActAgent(tools=[add], llm=llm)
    return lambda question: _run(agent, question, memory)


async def _run(agent: FunctionAgent | ReActAgent, question: str, memory: BaseMemory) -> object:
    return await agent.run(question, memory=memory)


ENGINES = {
    "`SimpleChatEngine`": simple,
    "`ContextChatEngine`": context,
    "`ContextChatEngine` that refines over 2 prompts": refining,
    "`CondensePlusContextChatEngine`": condensing,
    "`CondensePlusContextChatEngine(skip_condense=True)`": not_condensing,
    "`CondenseQuestionChatEngine`": condensing_question,
    "`FunctionAgent` with one tool call": function_agent,
    "`ReActAgent` with one tool call": react_agent,
}


def table_of(page: Path) -> dict[str, list[str]]:
    """The rows of the page's table of costs by their first cell."""
    rows = re.findall(r"^\| (.*?) \| (\d+) \| (\d+) \| (\d+) \|$", page.read_text("utf-8"), flags=re.MULTILINE)
    return {name: list(numbers) for name, *numbers in rows}


async def cost_of(
    make: Callable[[LumnisLLM, BaseMemory], Ask], llm: LumnisLLM, memory: LumnisThreadMemory, stage: Stage
) -> list[str]:
    """Runs of the second turn, how many of them are on the thread, and messages sent there."""
    stage.answer(reply)
    ask = make(llm, memory)
    await ask("What is one?")
    stage.requests.clear()
    await ask("And two?")
    on_thread = [request for request in stage.requests if request.thread_id == memory.thread_id]
    numbers = len(stage.requests), len(on_thread), sum(len(request.input_messages) for request in on_thread)
    return [str(number) for number in numbers]


@pytest.mark.parametrize("name", ENGINES)
async def test_the_page_has_the_costs_of_engines(
    name: str, remember: Remember, llm: LumnisLLM, stage: Stage, client: Client
) -> None:
    """And question and answer of each turn are in the memory once."""
    memory = remember()
    assert await cost_of(ENGINES[name], llm, memory, stage) == table_of(PAGE)[name]
    kept = await memory.aget_all()
    assert [message.content for message in kept if message.role == "user" and "Observation" not in str(message)] == [
        "What is one?",
        "And two?",
    ]


class TestSideCalls:
    async def test_memory_blocks_stay_outside(
        self, remember: Remember, llm: LumnisLLM, stage: Stage, client: Client
    ) -> None:
        """Those of `Memory`, whose queue is flushed into them, in a session of a chat store."""
        from lumnisai_integrations.llama_index import LumnisChatStore  # noqa: PLC0415

        stage.answer(lambda request: Script(output_text="<fact>Petrel</fact>" if "fact" in str(request) else "Ahoy."))
        connection = {"api_key": llm.api_key, "base_url": llm.base_url, "user_id": "ada"}
        store = LumnisChatStore(**connection)
        block = FactExtractionMemoryBlock(name="facts", llm=llm)
        memory = Memory.from_defaults(
            session_id="s", chat_store=store, memory_blocks=[block], token_limit=200, token_flush_size=20
        )
        engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory)
        asked = [f"{number} " + "wave " * 60 for number in range(3)]
        for text in asked:
            await engine.achat(text)
        turns = thread_turns(client, await store.get_thread_id("s"))
        assert [text for role, text in turns if role == "user"] == asked
        assert block.facts == ["Petrel"]
        await store.aclose()

    @pytest.mark.parametrize("read", ["get", "get_all"])
    async def test_titles_and_summaries_stay_outside(
        self, read: str, remember: Remember, llm: LumnisLLM, stage: Stage, client: Client
    ) -> None:
        """A prompt about the conversation is none of its messages."""
        memory = remember()
        await simple(llm, memory)("Hello")
        for prompt in (ChatMessage(content="Give it a title."), ChatMessage(role="system", content="Summarise it.")):
            await llm.achat([*getattr(memory, read)(), prompt])
            assert stage.requests[-1].input_messages[0].content == "Hello"
            assert stage.requests[-1].thread_id != memory.thread_id
        assert len(thread_turns(client, memory.thread_id)) == 2

    async def test_prompts_do_not_show_bookkeeping(self, remember: Remember, llm: LumnisLLM, stage: Stage) -> None:
        """What condensing prompts print of messages is theirs."""
        memory = remember()
        ask = condensing(llm, memory)
        for question in ("What is one?", "And two?", "And three?"):
            await ask(question)
        prompts = [message.content for request in stage.requests for message in request.input_messages]
        assert any("Standalone question" in prompt for prompt in prompts)
        assert not [prompt for prompt in prompts if "lumnis_" in prompt or "{" in prompt]


class TestOverlap:
    async def test_questions_of_tasks_are_stored_once_and_in_order(
        self, remember: Remember, llm: LumnisLLM, client: Client
    ) -> None:
        """All at once on one engine; each gets the answer to its own."""
        memory = remember()
        engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory)
        await engine.achat("Start")
        asked = [f"Question {number}" for number in range(4)]
        answers = await asyncio.gather(*(engine.achat(question) for question in asked))
        await engine.achat("End")
        assert [str(answer).split("!")[0] for answer in answers] == asked
        held = [text for role, text in thread_turns(client, memory.thread_id) if role == "user"]
        assert held == ["Start", *asked, "End"]
        assert texts(await memory.aget_all()) == thread_turns(client, memory.thread_id)

    async def test_questions_of_threads_are_stored_once(
        self, remember: Remember, llm: LumnisLLM, client: Client
    ) -> None:
        """Of threads of the process, as web servers have them."""
        memory = remember()
        engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory)
        engine.chat("Start")
        together, asked = Barrier(4), [f"Question {number}" for number in range(4)]

        def ask(question: str) -> None:
            together.wait()
            engine.chat(question)

        threads = [Thread(target=ask, args=(question,)) for question in asked]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        engine.chat("End")
        held = [text for role, text in thread_turns(client, memory.thread_id) if role == "user"]
        assert sorted(held) == sorted(["Start", *asked, "End"])


class TestWhatCannotBeSent:
    async def test_a_picture_costs_its_own_turn(self, remember: Remember, llm: LumnisLLM, client: Client) -> None:
        """Later turns go on with a line for it, with one warning."""
        memory = remember()
        picture = ChatMessage(role="user", blocks=[TextBlock(text="See:"), ImageBlock(url="https://example.com/a.png")])
        memory.put(picture)
        with pytest.raises(ValidationError, match=r"messages\[0\] has a block of kind 'image'.*files="):
            await llm.achat(await memory.aget())
        ask = simple(llm, memory)
        with pytest.warns(UserWarning, match="Left out: a block of kind 'image'"):
            await ask("Hello")
        await ask("And?")  # warnings are errors here
        held = [text for role, text in thread_turns(client, memory.thread_id) if role == "user"]
        assert held == ["See:\n[Left out: a block of kind 'image']", "Hello", "And?"]
        kept = await memory.aget_all()
        assert isinstance(kept[0].blocks[1], ImageBlock)
        assert all(are_stored(kept))

    async def test_a_picture_of_a_tool_becomes_a_line(self, llm: LumnisLLM, stage: Stage) -> None:
        """The agent goes on without it."""
        call = ToolCallBlock(tool_call_id="c", tool_name="draw", tool_kwargs={})
        result = ChatMessage(
            role="tool", blocks=[ImageBlock(url="https://example.com/a.png")], additional_kwargs={"tool_call_id": "c"}
        )
        asked = [ChatMessage(content="Draw."), ChatMessage(role="assistant", blocks=[call]), result]
        with pytest.warns(UserWarning, match="Left out"):
            await llm.achat(asked)
        assert "[Left out: a block of kind 'image']" in stage.requests[-1].input_messages[-1].content


class Tide(BaseModel):
    """A tide."""

    height: float
    note: str | None = None


class TestReadBack:
    async def test_a_second_memory_sees_the_same(self, remember: Remember, llm: LumnisLLM, stage: Stage) -> None:
        """Tool calls, their results and answers, with the same ids."""
        stage.answer(reply)
        memory = remember()
        await function_agent(llm, memory)("What is one and two?")
        second = remember(thread_id=memory.thread_id)
        for kept in (await memory.aget_all(), await second.aget_all()):
            assert [message.role.value for message in kept] == ["user", "assistant", "tool", "assistant"]
            assert [block.tool_kwargs for block in kept[1].blocks if isinstance(block, ToolCallBlock)] == [
                {"a": 1, "b": 2}
            ]
            assert kept[2].content == "3"
            call_ids = {block.tool_call_id for block in kept[1].blocks if isinstance(block, ToolCallBlock)}
            assert call_ids == {kept[2].additional_kwargs["tool_call_id"]}
            assert kept[3].content == "Three."

    async def test_objects_are_recognised(self, remember: Remember, llm: LumnisLLM, stage: Stage) -> None:
        """An engine puts them as another JSON text, with the fields that the answer has left out."""
        stage.play(Script(structured_response={"height": 4.5}))
        memory = remember()
        engine = SimpleChatEngine.from_defaults(llm=llm.as_structured_llm(Tide), memory=memory)
        await engine.achat("How high?")
        await engine.achat("And now?")
        assert [message.content for message in stage.requests[-1].input_messages] == ["And now?"]
        assert all(are_stored(await memory.aget_all()))


async def test_instructions_are_sent_when_they_change(
    remember: Remember, llm: LumnisLLM, stage: Stage, client: Client
) -> None:
    """Of agents that share a thread; also after a restart, which reads the last ones."""
    memory = remember()
    for prompt, question in (("A", "1"), ("A", "2"), ("B", "3"), ("B", "4"), ("A", "5")):
        engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory, system_prompt=prompt)
        await engine.achat(question)
    sent = [[message.content for message in request.input_messages] for request in stage.requests]
    assert sent == [["A", "1"], ["2"], ["B", "3"], ["4"], ["A", "5"]]


async def test_an_agent_without_instructions_has_none(
    remember: Remember, llm: LumnisLLM, stage: Stage, client: Client
) -> None:
    """Those of another agent on the thread are ended, once, also after a restart; later ones are sent again."""
    memory = remember()
    for prompt, question in (("A", "1"), (None, "2"), (None, "3"), ("A", "4"), (None, "5")):
        if question == "5":
            memory = remember(thread_id=memory.thread_id)
        engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory, system_prompt=prompt)
        await engine.achat(question)
    sent = [[message.content for message in request.input_messages] for request in stage.requests]
    ended = "Earlier instructions in this conversation no longer apply."
    assert sent == [["A", "1"], [ended, "2"], ["3"], ["A", "4"], [ended, "5"]]
