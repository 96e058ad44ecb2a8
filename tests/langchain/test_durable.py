"""Graph nodes that are executed again: their calls find the runs of the first execution."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt

from lumnisai_core.exceptions import RunFailedError, ValidationError
from lumnisai_core.local import Script
from lumnisai_integrations.langchain import ChatLumnis, LumnisRunnable, LumnisTool
from tests.conftest import Serve
from tests.langchain.conftest import USER, Connect
from tests.servers import RecordingEngine


class State(TypedDict, total=False):
    """What the graphs of these tests keep."""

    question: str
    answers: Annotated[list[str], operator.add]


class Crash(Exception):
    """Stands for what ends the first execution of a node."""


class Crashes:
    """Raises at its first ``count`` calls."""

    def __init__(self, count: int = 1) -> None:
        self.left = count

    def __call__(self) -> None:
        self.left -= 1
        if self.left >= 0:
            raise Crash


@pytest.fixture
def engine() -> RecordingEngine:
    return RecordingEngine(*[Script(output_text=f"Answer {at}.") for at in range(1, 30)])


@pytest.fixture
def model(engine: RecordingEngine, serve: Serve, connect: Connect) -> ChatLumnis:
    return connect(serve(engine))


def graph_of(node: Any, *, retry: RetryPolicy | None = None, checkpointer: bool = True) -> Any:
    graph = StateGraph(State)
    graph.add_node("ask", node, retry_policy=retry)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    return graph.compile(checkpointer=InMemorySaver() if checkpointer else None)


def thread(name: str = "1") -> Any:
    return {"configurable": {"thread_id": name}}


def run_until_it_ends(graph: Any, value: Any, config: Any) -> Any:
    """Start a graph, and again from its last checkpoint, until it ends."""
    while True:
        try:
            return graph.invoke(value, config, durability="sync")
        except Crash:
            value = None


WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "invoke": lambda runnable, value: runnable.invoke(value),
    "stream": lambda runnable, value: list(runnable.stream(value))[-1],
    "batch": lambda runnable, value: runnable.batch([value])[0],
}


def text_of(answer: Any) -> str:
    """Return the text of an answer; of a stream that ends with an empty chunk, anything else than an error will do."""
    return str(getattr(answer, "output_text", None) or getattr(answer, "content", None) or answer)


class TestExecutedAgain:
    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("kind", ["model", "runnable", "tool"])
    def test_after_an_exception(self, kind: str, way: str, engine: RecordingEngine, serve: Serve) -> None:
        service = serve(engine)
        connection: Any = {"api_key": service.api_key, "base_url": service.base_url, "user_id": USER}
        kinds: dict[str, Any] = {"model": ChatLumnis, "runnable": LumnisRunnable, "tool": LumnisTool}
        runnable = kinds[kind](**connection)
        crash = Crashes(2)

        def ask(state: State) -> State:
            answer = WAYS[way](runnable, {"task": state["question"]} if kind == "tool" else state["question"])
            crash()
            return {"answers": [text_of(answer)]}

        run_until_it_ends(graph_of(ask), {"question": "Who?"}, thread())
        assert len(engine.requests) == 1

    async def test_in_asyncio(self, engine: RecordingEngine, model: ChatLumnis) -> None:
        crash = Crashes()

        async def ask(state: State) -> State:
            answer = await model.ainvoke(state["question"])
            async for _ in model.astream("And why?"):
                pass
            crash()
            return {"answers": [text_of(answer)]}

        graph = graph_of(ask)
        with pytest.raises(Crash):
            await graph.ainvoke({"question": "Who?"}, thread(), durability="sync")
        assert (await graph.ainvoke(None, thread()))["answers"] == ["Answer 1."]
        assert len(engine.requests) == 2

    def test_after_an_interrupt(self, engine: RecordingEngine, model: ChatLumnis) -> None:
        def ask(state: State) -> State:
            answer = text_of(model.invoke(state["question"]))
            return {"answers": [answer, interrupt("Is it right?")]}

        graph = graph_of(ask)
        graph.invoke({"question": "Who?"}, thread())
        assert graph.invoke(Command(resume="Yes."), thread())["answers"] == ["Answer 1.", "Yes."]
        assert len(engine.requests) == 1

    def test_by_a_retry_policy(self, engine: RecordingEngine, model: ChatLumnis) -> None:
        crash = Crashes()

        def ask(state: State) -> State:
            answer = text_of(model.invoke(state["question"]))
            crash()
            return {"answers": [answer]}

        retry = RetryPolicy(initial_interval=0.01, retry_on=Crash)
        assert graph_of(ask, retry=retry).invoke({"question": "Who?"}, thread())["answers"] == ["Answer 1."]
        assert len(engine.requests) == 1

    def test_calls_with_the_same_request_are_told_apart(self, engine: RecordingEngine, model: ChatLumnis) -> None:
        """By their position, in every execution."""
        crash = Crashes(2)

        def ask(state: State) -> State:
            answers = [text_of(model.invoke(state["question"])) for _ in range(2)]
            answers += map(text_of, model.batch([state["question"]] * 2, {"max_concurrency": 1}))
            crash()
            return {"answers": answers}

        answers = run_until_it_ends(graph_of(ask), {"question": "Who?"}, thread())["answers"]
        assert answers == [f"Answer {at}." for at in range(1, 5)]
        assert len(engine.requests) == 4

    def test_each_of_many_sends(self, engine: RecordingEngine, model: ChatLumnis) -> None:
        """Also with the same question, and if only some of them have crashed."""
        crash = Crashes(3)

        def ask(state: State) -> State:
            answer = text_of(model.invoke(state["question"]))
            crash()
            return {"answers": [answer]}

        graph = StateGraph(State)
        graph.add_node("ask", ask)
        graph.add_conditional_edges(START, lambda _: [Send("ask", {"question": "Who?"})] * 8, ["ask"])
        compiled = graph.compile(checkpointer=InMemorySaver())
        answers = run_until_it_ends(compiled, {"question": "-"}, thread())["answers"]
        assert len(set(answers)) == len(engine.requests) == 8

    def test_tasks_of_the_functional_api(self, engine: RecordingEngine, model: ChatLumnis) -> None:
        crash = Crashes()

        @task
        def ask(question: str) -> str:
            answer = text_of(model.invoke(question))
            if question == "Why?":
                crash()
            return answer

        @entrypoint(checkpointer=InMemorySaver())
        def workflow(questions: list[str]) -> list[str]:
            first = text_of(model.invoke("Begin."))
            return [first, *[ask(question).result() for question in questions]]

        answers = run_until_it_ends(workflow, ["Who?", "Why?"], thread())
        assert answers == ["Answer 1.", "Answer 2.", "Answer 3."]
        assert len(engine.requests) == 3

    def test_subgraphs(self, engine: RecordingEngine, model: ChatLumnis) -> None:
        crash = Crashes()

        def ask(state: State) -> State:
            answer = text_of(model.invoke(state["question"]))
            crash()
            return {"answers": [answer]}

        inner = StateGraph(State)
        inner.add_node("ask", ask)
        inner.add_edge(START, "ask")
        outer = graph_of(inner.compile())
        assert run_until_it_ends(outer, {"question": "Who?"}, thread())["answers"] == ["Answer 1."]
        assert len(engine.requests) == 1

    def test_agents(self, serve: Serve, connect: Connect) -> None:
        """The model's runs and those of tools; ids of tool calls stay the same."""
        call = {"tool_calls": [{"name": "look", "args": {"place": "Bath"}}]}
        engine = RecordingEngine(Script(structured_response=call), Script(structured_response={"content": "Sunny."}))
        crash = Crashes(2)

        @tool
        def look(place: str) -> str:
            """Look at a place."""
            crash()
            return f"Sun over {place}."

        class CrashesAfterwards(ChatLumnis):
            def _generate(self, *args: Any, **kwargs: Any) -> Any:
                result = super()._generate(*args, **kwargs)
                crash()
                return result

        service = serve(engine)
        model = CrashesAfterwards(api_key=service.api_key, base_url=service.base_url, user_id=USER)
        agent = create_agent(model, [look], checkpointer=InMemorySaver())
        state = run_until_it_ends(agent, {"messages": [HumanMessage("Weather?")]}, thread())
        assert state["messages"][-1].text == "Sunny."
        assert len(engine.requests) == 2

    def test_in_a_thread_that_holds_the_instructions_by_now(
        self, engine: RecordingEngine, serve: Serve, connect: Connect
    ) -> None:
        """The first execution has brought them there; the request stays the one that was sent."""
        model, crash = connect(serve(engine), history="server"), Crashes(2)

        def ask(state: State) -> State:
            first = model.invoke([HumanMessage("Who?")])
            second = model.invoke([HumanMessage("Who?"), first, SystemMessage("Be brief."), HumanMessage("Why?")])
            third = model.invoke([HumanMessage("Who?"), first, HumanMessage("Why?"), second, HumanMessage("When?")])
            crash()
            return {"answers": [text_of(third)]}

        assert run_until_it_ends(graph_of(ask), {"question": "-"}, thread())["answers"] == ["Answer 3."]
        assert len(engine.requests) == 3


class TestExecutedAnew:
    def test_after_a_failed_run(self, serve: Serve, connect: Connect) -> None:
        """Whoever executes it again; a run that has succeeded since is found."""
        failing = Script(error=("TOO_HARD", "No."))
        engine = RecordingEngine(failing, failing, Script(output_text="Yes."))
        model, crash = connect(serve(engine)), Crashes()

        def ask(state: State) -> State:
            answer = text_of(model.invoke(state["question"]))
            crash()
            return {"answers": [answer]}

        graph = graph_of(ask, retry=RetryPolicy(initial_interval=0.01, max_attempts=2, retry_on=RunFailedError))
        with pytest.raises(RunFailedError):
            graph.invoke({"question": "Who?"}, thread())
        assert run_until_it_ends(graph, None, thread())["answers"] == ["Yes."]
        assert len(engine.requests) == 3

    def test_with_another_request(self, engine: RecordingEngine, model: ChatLumnis) -> None:
        crash, asked = Crashes(), iter(["Who?", "Who else?"])

        def ask(_: State) -> State:
            answer = text_of(model.invoke(next(asked)))
            crash()
            return {"answers": [answer]}

        assert run_until_it_ends(graph_of(ask), {"question": "-"}, thread())["answers"] == ["Answer 2."]

    def test_on_a_branch_from_an_older_checkpoint(self, engine: RecordingEngine, model: ChatLumnis) -> None:
        graph = graph_of(lambda state: {"answers": [text_of(model.invoke(state["question"]))]})
        graph.invoke({"question": "Who?"}, thread())
        older = [state.config for state in graph.get_state_history(thread()) if state.next == ("ask",)]
        assert graph.invoke(None, older[-1])["answers"] == ["Answer 2."]

    def test_for_another_input_or_thread(self, engine: RecordingEngine, model: ChatLumnis) -> None:
        graph = graph_of(lambda state: {"answers": [text_of(model.invoke(state["question"]))]})
        for name in ("1", "1", "2"):
            graph.invoke({"question": "Who?"}, thread(name))
        assert len(engine.requests) == 3

    @pytest.mark.parametrize("switched_off", ["field", "keyword", "no checkpointer"])
    def test_where_it_is_switched_off(
        self, switched_off: str, engine: RecordingEngine, serve: Serve, connect: Connect
    ) -> None:
        model = connect(serve(engine), **({"durable": "off"} if switched_off == "field" else {}))
        keywords: Any = {"durable": "off"} if switched_off == "keyword" else {}
        crash = Crashes()

        def ask(state: State) -> State:
            answer = text_of(model.invoke(state["question"], **keywords))
            crash()
            return {"answers": [answer]}

        graph = graph_of(ask, checkpointer=switched_off != "no checkpointer")
        with pytest.raises(Crash):
            graph.invoke({"question": "Who?"}, thread())
        graph.invoke({"question": "Who?"} if switched_off == "no checkpointer" else None, thread())
        assert len(engine.requests) == 2

    def test_an_unknown_switch_is_refused(self, model: ChatLumnis) -> None:
        with pytest.raises(ValidationError, match="'maybe'"):
            model.invoke("Who?", durable="maybe")


class TestOwnKeys:
    def test_a_key_of_the_caller_wins(self, engine: RecordingEngine, model: ChatLumnis) -> None:
        graph = graph_of(
            lambda state, config: {
                "answers": [text_of(model.invoke(state["question"], idempotency_key=_name_of(config)))]
            }
        )
        for name in ("1", "1", "2"):
            graph.invoke({"question": "Who?"}, thread(name))
        assert len(engine.requests) == 2

    def test_a_function_makes_the_key_of_each_call(
        self, engine: RecordingEngine, serve: Serve, connect: Connect
    ) -> None:
        model = connect(serve(engine), idempotency_key=lambda request: f"step-{request.digest}-{request.attempt}")
        assert [text_of(model.invoke(question)) for question in ("Who?", "Why?", "Who?")] == [
            "Answer 1.",
            "Answer 2.",
            "Answer 1.",
        ]


def _name_of(config: RunnableConfig) -> str:
    return f"thread-{config['configurable']['thread_id']}"
