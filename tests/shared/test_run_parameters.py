"""Run parameters are declared once, by the core; everything that starts runs takes all of them."""

from __future__ import annotations

from typing import Any, Unpack, get_type_hints

import pytest
from langchain_core.messages import HumanMessage
from llama_index.core.base.llms.types import ChatMessage
from pydantic import BaseModel

from lumnisai_core import InvokeParameters
from lumnisai_integrations._shared.runs import RUN_FIELDS, WATCH_FIELDS
from lumnisai_integrations.langchain import ChatLumnis, LumnisRunnable, LumnisTool
from lumnisai_integrations.langchain.lumnis.calls import run_call as langchain_call
from lumnisai_integrations.langchain.lumnis.calls import run_of_input
from lumnisai_integrations.llama_index import LumnisLLM, LumnisQueryEngine, LumnisToolSpec
from lumnisai_integrations.llama_index.lumnis.agent import Agent, AgentFields
from lumnisai_integrations.llama_index.lumnis.calls import run_call as llama_index_call

CONNECTION: dict[str, Any] = {"api_key": "k", "base_url": "http://127.0.0.1:9"}

#: A value for each parameter that differs from its default.
VALUES: dict[str, Any] = {
    "user_id": "ada",
    "scope": "user",
    "thread_id": "t-1",
    "response_format": {"title": "Tide", "type": "object", "properties": {"hour": {"type": "integer"}}},
    "response_format_instructions": "Use UTC.",
    "model_overrides": {"fast_model": "openai:gpt-4o-mini"},
    "agent_config": {"use_cognitive_tools": False},
    "files": [{"name": "a.pdf", "uri": "artifact_1"}],
    "options": {"use_files": True},
    "specialized_agent": "navigator",
    "specialized_agent_params": {"port": "Brest"},
    "idempotency_key": "key-1",
    "extra_body": {"trace": "x"},
    "show_progress": True,
    "run_timeout": 5.0,
    "progress_interval": 0.5,
    "cancel_on_interrupt": False,
}


def plain(value: Any) -> Any:
    """Return models as the data that they send."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True)
    return [plain(item) for item in value] if isinstance(value, list) else value


def test_every_parameter_of_the_core_is_a_field() -> None:
    """Only a listener is none, because frameworks have callbacks; and each parameter has a value in this table."""
    assert set(RUN_FIELDS) == set(InvokeParameters.__annotations__) - {"on_progress"}
    assert set(WATCH_FIELDS) < set(RUN_FIELDS)
    assert set(VALUES) == set(RUN_FIELDS)


@pytest.mark.parametrize("component", [ChatLumnis, LumnisRunnable, LumnisLLM, Agent])
def test_every_component_has_every_field(component: Any) -> None:
    """Each parameter can be set when a component is made, and keeps its value."""
    made = component(**CONNECTION, **VALUES)
    assert {name: plain(getattr(made, name)) for name in VALUES} == VALUES


@pytest.mark.parametrize("component", [LumnisToolSpec, LumnisQueryEngine])
def test_tools_and_query_engines_of_llama_index_take_every_field(component: Any) -> None:
    """They pass all of them to the agent that they are made of."""
    agent = component(**CONNECTION, **VALUES)._agent
    assert {name: plain(getattr(agent, name)) for name in VALUES} == VALUES


def test_the_tool_of_langchain_takes_every_field() -> None:
    """It passes all of them to its runnable, except ``response_format``, which is a name of LangChain's tools."""
    values = {name: value for name, value in VALUES.items() if name != "response_format"}
    runnable = LumnisTool(**CONNECTION, **values).runnable
    assert {name: getattr(runnable, name) for name in values} == values


def test_the_agents_arguments_are_those_of_the_core() -> None:
    """The signature of tools and query engines of LlamaIndex is derived from the core's."""
    assert set(InvokeParameters.__annotations__) < set(AgentFields.__annotations__)
    assert set(AgentFields.__annotations__) == set(Agent.model_fields) - {"connection"}  # of saved forms
    assert get_type_hints(LumnisToolSpec.__init__, include_extras=True)["agent"] == Unpack[AgentFields]


def test_every_call_takes_every_parameter() -> None:
    """A keyword of a call wins over the field of the same name."""
    model = ChatLumnis(**CONNECTION)
    runnable = LumnisRunnable(**CONNECTION)
    llm = LumnisLLM(**CONNECTION)
    calls: list[Any] = [
        langchain_call(model.__dict__, [HumanMessage("Hi.")], None, VALUES),
        run_of_input(runnable.__dict__, "Hi.", None, VALUES),
        llama_index_call(llm.__dict__, [ChatMessage("Hi.")], VALUES),
    ]
    assert [call.parameters for call in calls] == [VALUES] * 3


def test_every_field_reaches_the_run() -> None:
    """Without keywords, a call has the values of the fields."""
    fields = {**CONNECTION, **VALUES}
    calls: list[Any] = [
        langchain_call(ChatLumnis(**fields).__dict__, [HumanMessage("Hi.")], None, {}),
        run_of_input(LumnisRunnable(**fields).__dict__, "Hi.", None, {}),
        llama_index_call(LumnisLLM(**fields).__dict__, [ChatMessage("Hi.")], {}),
    ]
    for call in calls:
        assert {name: plain(value) for name, value in call.parameters.items()} == VALUES
    sent = Agent(**fields)._parameters()
    assert {name: plain(value) for name, value in sent.items() if name != "on_progress"} == VALUES
