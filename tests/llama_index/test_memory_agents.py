from __future__ import annotations

import json

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.workflow import Context

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis, RunRequest, Script
from lumnisai_integrations.llama_index import LumnisLLM
from tests.llama_index.conftest import Stage
from tests.llama_index.conversations import Remember, are_stored, echo, remember, thread_turns

__all__ = ["remember"]  # the fixture

#: The agents of llama-index-core themselves use what pydantic and the workflows package deprecate.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning"),
]


def calls_then_answers(request: RunRequest) -> Script:
    asked = request.input_messages[-1].content
    if asked.startswith('{"tool_result"'):
        return Script(structured_response={"content": f"It is {asked.splitlines()[1]}."})
    return Script(structured_response={"tool_calls": [{"name": "multiply", "args": {"a": 6, "b": 7}}]})


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


@pytest.mark.parametrize("is_workflow", [False, True])
async def test_function_agents(
    is_workflow: bool, remember: Remember, llm: LumnisLLM, stage: Stage, client: Client
) -> None:
    """Calls, results and answers are on the thread once, although the agent adds its state to the question."""
    stage.answer(calls_then_answers)
    state = {"unit": "knots"}
    agent = FunctionAgent(tools=[multiply], llm=llm, initial_state={} if is_workflow else state)
    runner = AgentWorkflow(agents=[agent], initial_state=state) if is_workflow else agent
    memory = remember()
    for question in ("What is 6 times 7?", "Again?", "Again?"):
        assert str(await runner.run(question, memory=memory)) == "It is 42."
    runs = list(reversed(list(client.threads.iter_responses(memory.thread_id or ""))))
    sent = [[message.content for message in run.input_messages] for run in runs]
    assert [len(messages) for messages in sent] == [1] * 6
    assert [any(q in messages[0] for q in ("What is", "Again?")) for messages in sent] == [True, False] * 3
    kept = await memory.aget()
    assert [message.role.value for message in kept] == ["user", "assistant", "tool", "assistant"] * 3
    assert [message.content for message in kept if message.role == "user"] == [
        "What is 6 times 7?",
        "Again?",
        "Again?",
    ]
    assert all(are_stored(kept))


async def test_a_hand_off_keeps_the_conversation(
    remember: Remember, llm: LumnisLLM, stage: Stage, client: Client
) -> None:
    """The agent that takes over continues the thread, and nothing is sent to it again."""

    def choose(request: RunRequest) -> Script:
        if "Triage" in request.input_messages[0].content:
            args = {"to_agent": "pilot", "reason": "It is about tides."}
            return Script(structured_response={"tool_calls": [{"name": "handoff", "args": args}]})
        return Script(structured_response={"content": "At noon."})

    stage.answer(choose)
    front = FunctionAgent(
        name="front", description="Triages.", system_prompt="Triage.", llm=llm, can_handoff_to=["pilot"]
    )
    pilot = FunctionAgent(name="pilot", description="Knows.", system_prompt="Tides.", tools=[multiply], llm=llm)
    memory = remember()
    workflow = AgentWorkflow(agents=[front, pilot], root_agent="front")
    assert str(await workflow.run("When is high tide?", memory=memory)) == "At noon."
    turns = thread_turns(client, memory.thread_id)
    assert [text for role, text in turns if role == "user"].count("When is high tide?") == 1
    assert [role for role, _ in turns] == ["user", "assistant", "user", "assistant"]
    assert [message.role.value for message in memory.get()] == ["user", "assistant", "tool", "assistant"]
    assert all(are_stored(memory.get()))


async def test_react_agents(remember: Remember, llm: LumnisLLM, stage: Stage, client: Client) -> None:
    """The reasoning that the agent keeps counts as the answer of the run that ended it."""
    act = 'Thought: I multiply.\nAction: multiply\nAction Input: {"a": 6, "b": 7}'
    done = "Thought: I can answer.\nAnswer: 42"
    stage.answer(lambda run: Script(output_text=done if "Observation" in run.input_messages[-1].content else act))
    memory = remember()
    agent = ReActAgent(tools=[multiply], llm=llm)
    for question in ("What is 6 times 7?", "Sure?"):
        assert str(await agent.run(question, memory=memory)) == "42"
    turns = thread_turns(client, memory.thread_id)
    assert [text for role, text in turns if role == "user"].count("What is 6 times 7?") == 1
    assert turns.count(("assistant", done)) == 2
    assert all(are_stored(await memory.aget()))


async def test_a_restored_context_continues_the_conversation(
    remember: Remember, llm: LumnisLLM, stage: Stage, client: Client, local: LocalLumnis
) -> None:
    """Its JSON holds the thread and not the key."""
    agent = FunctionAgent(llm=llm, streaming=False)
    memory, context = remember(), Context(agent)
    stage.answer(lambda request: Script(structured_response=None, output_text=echo(request).output_text))
    await agent.run("My port is Ostend.", memory=memory, ctx=context)
    saved = json.dumps(context.to_dict())
    assert local.api_key not in saved
    again = Context.from_dict(agent, json.loads(saved))
    await agent.run("Which port?", ctx=again)
    await agent.run("Sure?", ctx=again)
    turns = thread_turns(client, memory.thread_id)
    assert [text for role, text in turns if role == "user"] == ["My port is Ostend.", "Which port?", "Sure?"]
    assert len(turns) == 6
