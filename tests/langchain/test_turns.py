"""Turns with a thread: what they cost, and what the thread keeps of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables.history import RunnableWithMessageHistory

from lumnisai_core.local import RunRequest, Script
from lumnisai_integrations.langchain import ChatLumnis, LumnisChatMessageHistory
from tests.conftest import Serve
from tests.langchain.conftest import USER, Connect
from tests.servers import RecordingEngine

PAGE = Path(__file__).resolve().parents[2] / "docs" / "langchain" / "history.md"


def reply(request: RunRequest) -> Script:
    if not request.response_format:
        return Script(output_text="Noted.")
    if request.input_messages[-1].content.startswith('{"tool_result"'):
        return Script(structured_response={"content": "Three."})
    return Script(structured_response={"tool_calls": [{"name": "add", "args": {"a": 1, "b": 2}}]})


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


Ask = Callable[[str], object]


def with_messages(model: ChatLumnis, history: LumnisChatMessageHistory) -> Ask:
    def ask(question: str) -> None:
        history.add_message(HumanMessage(question))
        history.add_message(model.invoke(history.messages))

    return ask


def with_chain(model: ChatLumnis, history: LumnisChatMessageHistory) -> Ask:
    prompt = ChatPromptTemplate.from_messages(
        [("system", "Be brief."), MessagesPlaceholder("past"), ("human", "{question}")]
    )
    chain = RunnableWithMessageHistory(
        prompt | model, lambda _: history, input_messages_key="question", history_messages_key="past"
    )
    return lambda question: chain.invoke({"question": question}, {"configurable": {"session_id": "s"}})


def with_agent(model: ChatLumnis, _: LumnisChatMessageHistory) -> Ask:
    agent: Any = create_agent(model.model_copy(update={"history": "server"}), [add])
    state: dict[str, Any] = {"messages": []}

    def ask(question: str) -> None:
        state.update(agent.invoke({"messages": [*state["messages"], HumanMessage(question)]}))

    return ask


def with_step(model: ChatLumnis, history: LumnisChatMessageHistory) -> Ask:
    answer = with_messages(model, history)

    def ask(question: str) -> None:
        model.bind(thread_id=None).invoke([*history.messages, HumanMessage(f"Condense: {question}")])
        answer(question)

    return ask


WAYS = {
    "`history.messages` as input": with_messages,
    "`RunnableWithMessageHistory`": with_chain,
    '`create_agent` with one tool call, `history="server"`': with_agent,
    "a step with `thread_id=None` before the answer": with_step,
}


@pytest.mark.filterwarnings("ignore::langchain_core._api.deprecation.LangChainDeprecationWarning")
@pytest.mark.parametrize("name", WAYS)
def test_the_page_has_the_costs_of_turns(name: str, serve: Serve, connect: Connect) -> None:
    engine = RecordingEngine(choose=reply)
    service = serve(engine)
    history = LumnisChatMessageHistory(user_id=USER, api_key=service.api_key, base_url=service.base_url)
    ask = WAYS[name](connect(service), history)
    ask("What is one?")
    thread = engine.requests[-1].thread_id
    begin = len(engine.requests)
    ask("And two?")
    runs = engine.requests[begin:]
    on_thread = [request for request in runs if request.thread_id == thread]
    measured = len(runs), len(on_thread), sum(len(request.input_messages) for request in on_thread)
    rows = re.findall(r"^\| (.*?) \| (\d+) \| (\d+) \| (\d+) \|$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    assert [str(number) for number in measured] == next(numbers for found, *numbers in rows if found == name)


def test_questions_that_overlap_are_stored_once(serve: Serve, connect: Connect) -> None:
    """Of threads that share a history and a model."""
    service = serve(RecordingEngine(choose=reply))
    history = LumnisChatMessageHistory(user_id=USER, api_key=service.api_key, base_url=service.base_url)
    ask = with_messages(connect(service), history)
    ask("Start")
    together, asked = Barrier(3), [f"Question {number}" for number in range(3)]

    def ask_together(question: str) -> None:
        together.wait()
        history.add_message(HumanMessage(question))
        connect(service).invoke(history.messages)

    threads = [Thread(target=ask_together, args=(question,)) for question in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ask("End")
    held = [message.text for message in history.messages if message.type == "human"]
    assert sorted(held) == sorted(["Start", *asked, "End"])


def test_instructions_are_sent_when_they_differ(serve: Serve, connect: Connect) -> None:
    """From the last ones of the thread, and only then, of agents that share it."""
    engine = RecordingEngine(choose=reply)
    model = connect(serve(engine), history="server")
    messages: list[Any] = []
    for prompt, question in (("A", "1"), ("A", "2"), ("B", "3"), ("B", "4"), ("A", "5")):
        messages += [HumanMessage(question)]
        messages += [model.invoke([SystemMessage(prompt), *messages])]
    sent = [[message.content for message in request.input_messages] for request in engine.requests]
    assert sent == [["A", "1"], ["2"], ["B", "3"], ["4"], ["A", "5"]]


def test_an_agent_without_instructions_has_none(serve: Serve, connect: Connect) -> None:
    """Those of another agent on the thread are ended, once; later ones are sent again."""
    engine = RecordingEngine(choose=reply)
    model = connect(serve(engine), history="server")
    messages: list[Any] = []
    for prompt, question in (("A", "1"), (None, "2"), (None, "3"), ("A", "4")):
        messages += [HumanMessage(question)]
        messages += [model.invoke([*([SystemMessage(prompt)] if prompt else []), *messages])]
    sent = [[message.content for message in request.input_messages] for request in engine.requests]
    ended = "Earlier instructions in this conversation no longer apply."
    assert sent == [["A", "1"], [ended, "2"], ["3"], ["A", "4"]]
