"""What a runnable takes as its input, and what it does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from pydantic import BaseModel

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.langchain.lumnis.calls import KnownRun, RunCall, read_input, run_of_input, start_of_input
from lumnisai_integrations.langchain.lumnis.runnable import LumnisRunnable

SYSTEM, HUMAN = SystemMessage("Be brief."), HumanMessage("Hi.")


class PydanticState(BaseModel):
    messages: list[Any]
    topic: str = "tides"


@dataclass
class DataclassState:
    messages: list[BaseMessage]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Hi.", [HUMAN]),
        (HUMAN, [HUMAN]),
        ([SYSTEM, HUMAN], [SYSTEM, HUMAN]),
        ([("system", "Be brief."), {"role": "user", "content": "Hi."}], [SYSTEM, HUMAN]),
        (PromptTemplate.from_template("{q}").invoke({"q": "Hi."}), [HUMAN]),
        (ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{q}")]).invoke({"q": "Hi."}),
         [SYSTEM, HUMAN]),
        ({"messages": [HUMAN]}, [HUMAN]),
        ({"messages": "Hi.", "remaining_steps": 3, "response_id": None}, [HUMAN]),
        (PydanticState(messages=[HUMAN]), [HUMAN]),
        (DataclassState(messages=[HUMAN]), [HUMAN]),
        ({"response_id": "r-1"}, "r-1"),
        ({"response_id": UUID(int=1), "messages": None}, str(UUID(int=1))),
    ],
)  # fmt: skip
def test_an_input_is_messages_or_a_run(given: object, expected: object) -> None:
    """All of LangChain's forms of a question, graph states, and ids are read."""
    assert read_input(given) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"input": "Hi.", "k": 3}, "\"messages\".*\"response_id\".*this one has 'input', 'k'"),
        ({}, "this one has nothing"),
        ({"messages": None}, "this one has 'messages'"),
        ({"response_id": 7}, "this one has 'response_id'"),
        ({"messages": "Hi.", "response_id": "r-1"}, "pass one of them"),
        (None, "must be a text.*got a NoneType"),
        (7, "must be a text.*got a int"),
        (b"Hi.", "must be a text.*got a bytes"),
        ([("captain", "Hi.")], "cannot be read.*captain"),
        ([object()], "cannot be read"),
        ({"messages": 7}, "must be a text.*got a int"),
    ],
)
def test_other_inputs_are_named(given: object, message: str) -> None:
    """An input that cannot be read gets an error that says what is wrong with it and what to pass."""
    with pytest.raises(ValidationError, match=message):
        read_input(given)


def fields(**given: Any) -> dict[str, Any]:
    made = LumnisRunnable(api_key="k", base_url="http://127.0.0.1:9", **given)
    return dict(made.__dict__)


def test_the_call_wins_over_the_config_and_that_over_the_field() -> None:
    """Thread and user are taken from the nearest place that names them."""
    settings = fields(user_id="field", thread_id="t-field", model="openai:gpt-4o")
    config = {"lumnis_user_id": "config", "lumnis_thread_id": "t-config"}
    run = run_of_input(settings, "Hi.", config, {"user_id": "call", "model": "openai:gpt-4o-mini"})
    assert isinstance(run, RunCall)
    assert run.turn.write([0], []) == [{"role": "user", "content": "Hi."}]
    assert (run.parameters["user_id"], run.parameters["thread_id"]) == ("call", "t-config")
    assert run.parameters["model_overrides"] == {"smart_model": "openai:gpt-4o-mini"}
    assert run_of_input(settings, "Hi.", None, {}).parameters["thread_id"] == "t-field"


def test_a_known_run_is_only_watched() -> None:
    """What a run was made of does not matter for one that exists; how to watch it does."""
    run = run_of_input(fields(user_id="u", run_timeout=5), {"response_id": "r-1"}, {"lumnis_thread_id": "t"}, {})
    watching = {"run_timeout": 5.0, "progress_interval": 1.0, "cancel_on_interrupt": True, "show_progress": False}
    assert run == KnownRun("r-1", watching)


def test_a_start_is_not_watched() -> None:
    """Starting a run takes nothing that is about waiting for it."""
    run = start_of_input(fields(user_id="u"), "Hi.", None, {"idempotency_key": "k-1"})
    assert run.parameters["idempotency_key"] == "k-1"
    assert "run_timeout" not in run.parameters
    with pytest.raises(TypeError, match="run_timeout"):
        start_of_input(fields(), "Hi.", None, {"run_timeout": 3})
    with pytest.raises(ValidationError, match=r"a run already: follow it with resume\('r-1'\)"):
        start_of_input(fields(), {"response_id": "r-1"}, None, {})


@pytest.mark.parametrize(
    ("given", "keywords", "message"),
    [
        ("Hi.", {"mood": 0}, "unexpected keyword arguments mood; known: .*thread_id"),
        ("Hi.", {"on_progress": print}, "callbacks"),
        ({"response_id": "r-1"}, {"thread_id": "t"}, "unexpected keyword arguments thread_id; known: .*run_timeout"),
        ({"response_id": "r-1"}, {"on_progress": print}, "callbacks"),
    ],
)
def test_unknown_keywords_are_named(local: LocalLumnis, given: Any, keywords: dict[str, Any], message: str) -> None:
    """A keyword that has no meaning is an error before anything is sent, and the error lists those that have one."""
    runnable = LumnisRunnable(api_key=local.api_key, base_url="http://127.0.0.1:9")
    with pytest.raises(TypeError, match=message):
        runnable.invoke(given, **keywords)
