"""Variants: prompts that are filled, what functions and objects of frameworks get, and how answers are read."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from llama_index.core.base.response.schema import Response
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import CustomQueryEngine
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step
from pydantic import BaseModel

from lumnisai_core import Message
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations.experiments import Experiment, Row, Trial, Variant
from lumnisai_integrations.experiments.answers import read_answer
from lumnisai_integrations.experiments.variants import filled, kind_of


class Tide(BaseModel):
    port: str


class LoudEngine(CustomQueryEngine):
    def custom_query(self, query_str: str) -> Response:
        return Response(query_str.upper())


class Noon(Workflow):
    """As the agents of LlamaIndex, which are workflows that take ``user_msg``."""

    @step
    async def answer(self, event: StartEvent) -> StopEvent:
        return StopEvent(result=f"{event.user_msg} At noon.")


FILLED: list[tuple[str, dict[str, Any], str]] = [
    ("{a} and {b}", {"a": "x", "b": 2}, "x and 2"),
    ("{{literal}} {a}", {"a": "{b}"}, "{literal} {b}"),
    ("{a}", {"a": {"k": ["ä", None]}}, '{"k": ["ä", null]}'),
    ("{a}", {"a": None}, ""),
    ("nothing", {}, "nothing"),
    ("{two words}", {"two words": "fine"}, "fine"),
]


@pytest.mark.parametrize(("template", "fields", "text"), FILLED)
def test_prompts_are_filled_with_fields(template: str, fields: dict[str, Any], text: str) -> None:
    """Texts as they are, other values as JSON; braces in values mean nothing."""
    assert filled(template, fields) == text


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{b}", "a row has no field 'b': it has a"),
        ('{"a": 1}', "write literal braces twice"),
        ("{a", "braces of a prompt do not match"),
        ("{}", "braces must enclose the name of a field"),
        ("{a.__class__}", "braces must enclose the name of a field"),
        ("{a!r}", "braces must enclose the name of a field"),
    ],
)
def test_prompts_that_cannot_be_filled_are_refused(template: str, message: str) -> None:
    """Attributes of values are not read."""
    with pytest.raises(ValidationError, match=message):
        filled(template, {"a": "x"})


def answer_of(variant: Any, row: dict[str, Any] | str = "when?", **options: Any) -> Trial:
    """Return the one trial of a variant, made by the blocking and by the asyncio way, which must agree."""

    def made() -> Experiment:
        return Experiment("one", [row], {"v": Variant(variant, **options)})

    blocking, awaited = made().run(progress=False).trials[0], asyncio.run(made().arun(progress=False)).trials[0]
    assert (blocking.output, blocking.structured, blocking.error) == (awaited.output, awaited.structured, awaited.error)
    return blocking


def test_chains_and_models_of_langchain_answer() -> None:
    """A chain takes the fields of the row, a chat model its only one."""
    model = GenericFakeChatModel(messages=iter([AIMessage("high")] * 9))
    assert answer_of(ChatPromptTemplate.from_template("{a} {b}") | model, {"a": "x", "b": "y"}).output == "high"
    assert answer_of(model).output == "high"
    chain: Any = RunnableLambda(lambda question: Tide(port=question))
    assert answer_of(chain, input="input").structured == {"port": "when?"}


def test_graphs_of_langgraph_answer() -> None:
    """They get the text as a message of the user; the answer is their last message."""
    agent = create_agent(GenericFakeChatModel(messages=iter([AIMessage("at noon")] * 2)), tools=[])
    trial = answer_of(agent, {"question": "when?", "note": "n"}, input="{note}: {question}")
    assert trial.output == "at noon"


def test_engines_and_models_of_llama_index_answer() -> None:
    """With a text each."""
    assert answer_of(LoudEngine(), {"question": "when?", "x": 1}, input="question").output == "WHEN?"
    assert answer_of(MockLLM()).output == "when?"


# Warnings from the code of LlamaIndex's workflow agents.
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")
@pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning")
def test_agents_of_llama_index_answer() -> None:
    """They need an event loop, which a blocking experiment has, too."""
    assert kind_of(Noon()) == "workflow"
    assert answer_of(Noon()).output == "when? At noon."


def test_a_chat_engine_answers_one_row_after_the_other() -> None:
    """Without the messages of other rows."""

    class Chat:
        def __init__(self) -> None:
            self.now = 0
            self.histories: list[Any] = []

        def chat(self, message: str, chat_history: Any = None) -> Any:
            raise AssertionError

        async def achat(self, message: str, chat_history: Any = None) -> Any:
            self.now += 1
            self.histories.append(chat_history)
            await asyncio.sleep(0)
            assert self.now == 1
            self.now -= 1
            return SimpleNamespace(response=message.upper())

    chat = Chat()
    experiment = Experiment("chat", ["a", "b", "c"], {"v": chat})
    trials = asyncio.run(experiment.arun(progress=False)).trials
    assert [trial.output for trial in trials] == ["A", "B", "C"]
    assert chat.histories == [[], [], []]


def test_input_and_output_are_chosen() -> None:
    """A field, a text, a function; and what of the answer is compared."""
    row = {"a": "x", "b": [1, 2]}

    def echo(value: Any) -> Any:
        return {"got": value}

    assert answer_of(echo, row).structured == {"got": row}
    assert answer_of(echo, row, input="b").structured == {"got": [1, 2]}
    assert answer_of(echo, row, input="{a}-{b}").structured == {"got": "x-[1, 2]"}
    assert answer_of(echo, row, input=lambda fields: fields["b"][0]).structured == {"got": 1}
    assert answer_of(echo, row, input="a", output=lambda value: value["got"]).output == "x"


def test_one_text_must_be_chosen_where_there_are_several() -> None:
    """The error says how."""
    with pytest.raises(ValidationError, match=r"a query takes one text: choose with Variant\(..., input="):
        Experiment("x", [{"a": 1, "b": 2}], {"v": LoudEngine()})
    with pytest.raises(ValidationError, match=r"row '.*' has no field 'c': it has a, b"):
        Experiment("x", [{"a": 1, "b": 2}], {"v": Variant(LoudEngine(), input="c")})
    with pytest.raises(ValidationError, match="row '1': 'c'"):
        Experiment("x", [{"id": 1, "a": 1}], {"v": Variant(str, input=lambda row: row["c"])})


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ("", {}, "a prompt must be a non-empty text"),
        (5, {}, "must be a prompt, a function, or an object"),
        (str, {"user_id": "u"}, "only prompts have parameters of runs, got user_id"),
        ("x", {"input": "a"}, "a prompt names its fields itself"),
        ("x", {"modle": 1}, "unknown parameters of runs modle; known: user_id"),
        ("x", {"idempotency_key": "k"}, "idempotency_key comes from the experiment"),
        ("x", {"output": 5}, "output must be a function"),
    ],
)
def test_wrong_variants_are_refused(arguments: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Variant(arguments, **options)


def test_a_conversation_is_a_prompt() -> None:
    """Each message is filled."""
    messages = [Message(role="system", content="Be {how}."), {"role": "user", "content": "{question}"}]
    row = Row("1", {"how": "brief", "question": "When?"})
    assert Variant(messages).question(row) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "When?"},
    ]
    with pytest.raises(ValidationError, match="must have a text as its content"):
        Variant([{"role": "user"}]).question(row)


READ: list[tuple[object, str | None, object]] = [
    ("text", "text", None),
    (3, "3", 3),
    (True, "true", True),
    ({"a": float("nan")}, '{"a": null}', {"a": None}),
    (Tide(port="Wick"), '{"port": "Wick"}', {"port": "Wick"}),
    ([Tide(port="Wick")], '[{"port": "Wick"}]', [{"port": "Wick"}]),
    (AIMessage("hello"), "hello", None),
    ({"messages": [AIMessage("one"), AIMessage("two")]}, "two", None),
    ({"messages": [AIMessage("x")], "structured_response": Tide(port="Wick")}, "x", {"port": "Wick"}),
    (Response("from passages"), "from passages", None),
    (None, None, None),
]


@pytest.mark.parametrize(("value", "output", "structured"), READ)
def test_answers_are_read(value: object, output: str | None, structured: object) -> None:
    """Whatever object they come in."""
    answer = read_answer(value)
    assert (answer.output, answer.structured) == (output, structured)
    assert (answer.error is None) == (value is not None)


def test_tokens_of_messages_are_read() -> None:
    """Where the model reports them."""
    usage: Any = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    answer = read_answer(AIMessage("x", usage_metadata=usage, response_metadata={"response_id": "r-1"}))
    assert (answer.input_tokens, answer.output_tokens, answer.response_id) == (3, 2, "r-1")
