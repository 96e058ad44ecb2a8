"""Chains, memories and agents of langchain-classic, which much code still uses, with ChatLumnis inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_classic.agents import (
    AgentExecutor,
    create_json_chat_agent,
    create_openai_tools_agent,
    create_react_agent,
    create_structured_chat_agent,
    create_tool_calling_agent,
    create_xml_agent,
)
from langchain_classic.chains import ConversationalRetrievalChain, ConversationChain, LLMChain, RetrievalQA
from langchain_classic.chains.combine_documents import create_stuff_documents_chain
from langchain_classic.chains.history_aware_retriever import create_history_aware_retriever
from langchain_classic.chains.retrieval import create_retrieval_chain
from langchain_classic.chains.summarize import load_summarize_chain
from langchain_classic.memory import ConversationBufferMemory, ConversationSummaryBufferMemory
from langchain_classic.retrievers import MultiQueryRetriever
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder, PromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable
from langchain_core.tools import tool

from lumnisai_integrations.langchain import ChatLumnis
from tests.thirdparty.conftest import USER, Play
from tests.thirdparty.moves import Move, Says, all_text, call, last_text

QUESTION, ANSWER = "When is high tide?", "High tide is at noon."
DOCUMENTS = [Document("North Quay: high tide at noon."), Document("North Quay: low tide at six.")]


class Shelf(BaseRetriever):
    """Finds the same documents for every question, and remembers the questions."""

    queries: list[str] = []  # noqa: RUF012 - pydantic copies it for each instance

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        self.queries.append(query)
        return DOCUMENTS


@tool
def look_up(port: str) -> str:
    """Look up the tide table of a port."""
    return f"High tide at {port}: noon."


async def test_a_prompt_chain_answers(play: Play) -> None:
    stage = play(Says(ANSWER), Says(ANSWER))
    chain = LLMChain(llm=stage.chat(), prompt=PromptTemplate.from_template("Say when it is {what} tide."))
    assert chain.invoke({"what": "high"})["text"] == ANSWER
    assert (await chain.ainvoke({"what": "high"}))["text"] == ANSWER
    assert last_text(stage.requests[0]) == "Say when it is high tide."


@pytest.mark.parametrize("streaming", [False, True])
def test_a_conversation_over_documents_condenses_its_questions(streaming: bool, play: Play) -> None:
    """The first turn is one run; a later one is two, for the question and for its answer."""
    stage = play(Says(ANSWER), Says("When is low tide at North Quay?"), Says("At six."))
    shelf = Shelf()
    chain = ConversationalRetrievalChain.from_llm(
        stage.chat(streaming=streaming) if streaming else stage.chat(),
        shelf,
        memory=ConversationBufferMemory(memory_key="chat_history", return_messages=True, output_key="answer"),
        return_source_documents=True,
    )
    first = chain.invoke({"question": QUESTION})
    assert first["answer"] == ANSWER
    assert first["source_documents"] == DOCUMENTS
    assert chain.invoke({"question": "And low tide?"})["answer"] == "At six."
    assert shelf.queries == [QUESTION, "When is low tide at North Quay?"]
    assert ANSWER in all_text(stage.requests[1])
    assert "low tide at six" in all_text(stage.requests[2])
    assert len(stage.runs(USER)) == 3


def test_a_question_about_documents_is_answered(play: Play) -> None:
    stage = play(Says(ANSWER))
    chain = RetrievalQA.from_chain_type(stage.chat(), retriever=Shelf())
    assert chain.invoke({"query": QUESTION})["result"] == ANSWER
    assert "low tide at six" in all_text(stage.requests[0])


async def test_a_retrieval_chain_rephrases_with_the_history(play: Play) -> None:
    stage = play(Says("When is high tide at North Quay?"), Says(ANSWER))
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("chat_history"), ("human", "{input}")])
    answering = ChatPromptTemplate.from_messages(
        [("system", "Answer from: {context}"), MessagesPlaceholder("chat_history"), ("human", "{input}")]
    )
    model, shelf = stage.chat(), Shelf()
    retriever = create_history_aware_retriever(model, shelf, prompt)
    chain = create_retrieval_chain(retriever, create_stuff_documents_chain(model, answering))
    history = [HumanMessage("I am at North Quay."), AIMessage("Good to know.")]
    result = await chain.ainvoke({"input": QUESTION, "chat_history": history})
    assert result["answer"] == ANSWER
    assert shelf.queries == ["When is high tide at North Quay?"]


@pytest.mark.parametrize(("kind", "runs"), [("stuff", 1), ("map_reduce", 3), ("refine", 2)])
def test_documents_are_summarized(kind: str, runs: int, play: Play) -> None:
    stage = play(plan=lambda _: Says("Tides at noon and six."))
    chain = load_summarize_chain(stage.chat(), chain_type=kind)
    assert chain.invoke({"input_documents": DOCUMENTS})["output_text"] == "Tides at noon and six."
    assert len(stage.requests) == runs


def test_several_queries_are_made_of_one(play: Play) -> None:
    stage, shelf = play(Says("When is the tide high?\nHigh tide at what time?")), Shelf()
    found = MultiQueryRetriever.from_llm(shelf, stage.chat()).invoke(QUESTION)
    assert found == DOCUMENTS
    assert sorted(shelf.queries) == ["High tide at what time?", "When is the tide high?"]


def test_a_memory_summarizes_what_is_long(play: Play) -> None:
    """The memory counts tokens and runs the model for a summary once the limit is passed."""

    def plan(request: Any) -> Move:
        return Says("They spoke of tides.") if "Progressively summarize" in all_text(request) else Says(ANSWER)

    stage = play(plan=plan)
    model = stage.chat()
    memory = ConversationSummaryBufferMemory(llm=model, max_token_limit=15)
    chain = ConversationChain(llm=model, memory=memory)
    assert [chain.invoke({"input": QUESTION})["response"] for _ in range(3)] == [ANSWER] * 3
    assert memory.moving_summary_buffer == "They spoke of tides."
    assert "They spoke of tides." in all_text(stage.requests[-1]) or "They spoke of tides." in str(memory.buffer)


TOOLS_PROMPT = ChatPromptTemplate.from_messages(
    [("system", "You know tides."), ("human", "{input}"), MessagesPlaceholder("agent_scratchpad")]
)
REACT_PROMPT = PromptTemplate.from_template(
    "Tools: {tools}\nUse Action: one of [{tool_names}], Action Input:, Observation:, Final Answer:\n"
    "Question: {input}\nThought:{agent_scratchpad}"
)
JSON_PROMPT = ChatPromptTemplate.from_messages(
    [
        ("system", "Tools: {tools}. Answer with a JSON blob; action is one of {tool_names}."),
        ("human", "{input}"),
        MessagesPlaceholder("agent_scratchpad"),
    ]
)
STRUCTURED_PROMPT = ChatPromptTemplate.from_messages(
    [
        ("system", "Tools: {tools}. Answer with a JSON blob; action is one of {tool_names}."),
        ("human", "{input}\n\n{agent_scratchpad}"),
    ]
)
XML_PROMPT = PromptTemplate.from_template("Tools: {tools}\nQuestion: {input}\n{agent_scratchpad}")

MakeAgent = Callable[[ChatLumnis], Runnable[Any, Any]]
#: How an agent is made, and what the model does: first it calls the tool in the form of that agent, then it answers.
AGENTS: dict[str, tuple[MakeAgent, Move, Move]] = {
    "tool calling": (
        lambda model: create_tool_calling_agent(model, [look_up], TOOLS_PROMPT),
        call("look_up", port="North Quay"),
        Says(ANSWER),
    ),
    "openai tools": (
        lambda model: create_openai_tools_agent(model, [look_up], TOOLS_PROMPT),
        call("look_up", port="North Quay"),
        Says(ANSWER),
    ),
    # A model that does not stop by itself makes up the observation, so the answer is cut off before it.
    "react": (
        lambda model: create_react_agent(model, [look_up], REACT_PROMPT),
        Says(" I look.\nAction: look_up\nAction Input: North Quay\nObservation: made up\nFinal Answer: wrong"),
        Says(f" I know.\nFinal Answer: {ANSWER}"),
    ),
    "json chat": (
        lambda model: create_json_chat_agent(model, [look_up], JSON_PROMPT),
        Says('```json\n{"action": "look_up", "action_input": "North Quay"}\n```\nObservation: made up'),
        Says(f'```json\n{{"action": "Final Answer", "action_input": "{ANSWER}"}}\n```'),
    ),
    "structured chat": (
        lambda model: create_structured_chat_agent(model, [look_up], STRUCTURED_PROMPT),
        Says('```json\n{"action": "look_up", "action_input": {"port": "North Quay"}}\n```\nObservation: made up'),
        Says(f'```json\n{{"action": "Final Answer", "action_input": "{ANSWER}"}}\n```'),
    ),
    # Its own stop text, "</tool_input>", cuts off what its parser has needed since 1.0: it then finds no input.
    "xml": (
        lambda model: create_xml_agent(model, [look_up], XML_PROMPT, stop_sequence=["<observation>"]),
        Says("<tool>look_up</tool><tool_input>North Quay</tool_input>\n<observation>made up</observation>"),
        Says(f"<final_answer>{ANSWER}</final_answer>"),
    ),
}


@pytest.mark.parametrize("kind", AGENTS)
async def test_an_agent_calls_its_tool_and_answers(kind: str, play: Play) -> None:
    """By streams, as its executor runs a model by default, in both halves."""
    make, first, second = AGENTS[kind]
    stage = play(first, second, first, second)
    executor = AgentExecutor(
        agent=make(stage.chat()), tools=[look_up], max_iterations=3, return_intermediate_steps=True
    )
    for result in (executor.invoke({"input": QUESTION}), await executor.ainvoke({"input": QUESTION})):
        assert result["output"] == ANSWER
        ((_, observation),) = result["intermediate_steps"]
        assert observation == "High tide at North Quay: noon."
    assert "noon" in all_text(stage.requests[1])
    assert "made up" not in all_text(stage.requests[1])
