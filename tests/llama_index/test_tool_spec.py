"""Agents as tools of other agents."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent, ReActAgent, ToolCallResult
from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
from llama_index.core.base.response.schema import Response
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import JsonSerializer
from pydantic import BaseModel
from workflows.errors import WorkflowCancelledByUser

from lumnisai_core import Client
from lumnisai_core import exceptions as core
from lumnisai_core.local import LocalLumnis, Script, Step
from lumnisai_integrations.llama_index import LumnisProgressEvent, StructuredOutputError
from lumnisai_integrations.llama_index.lumnis.tool import LumnisToolSpec
from tests.llama_index.conftest import ANSWER, ENDLESS, Collector, Stage
from tests.loops import no_blocking

#: The agents of llama-index-core themselves use what pydantic and the workflows package deprecate.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning"),
]

TASK = "Find the time of high water."
LOOK_UP = Step(
    "Looking up.",
    tool_calls=[
        {"name": "search", "args": {"q": "tables"}, "output_text": "High water: 12:00."},
        {"name": "note", "args": {}},
    ],
)
ARTIFACT = {"artifactId": "a-1", "name": "tides.md", "parts": [{"kind": "text", "text": "# Tides"}]}
RUN = Script(steps=[LOOK_UP], output_text=ANSWER, artifacts=[ARTIFACT], title="Tides")
#: Runs that nobody stops end before the test does.
WATCH = {"progress_interval": 0.05, "run_timeout": 10.0}
FAILING = Script(error=("agent_error", "No luck."))


class Tide(BaseModel):
    hour: int


MakeSpec = Callable[..., LumnisToolSpec]


@pytest.fixture
def spec(local: LocalLumnis, stage: Stage) -> Iterator[MakeSpec]:
    """Makes tool specs on the service and closes them."""
    stage.play(RUN)
    made: list[LumnisToolSpec] = []

    def make(**fields: Any) -> LumnisToolSpec:
        known = {"api_key": local.api_key, "base_url": local.base_url, "user_id": "ada", **WATCH}
        made.append(LumnisToolSpec(**{**known, **fields}))
        return made[-1]

    yield make
    for one in made:
        one.close()


def tool_of(spec: LumnisToolSpec) -> FunctionTool:
    (tool,) = spec.to_tool_list()
    return tool


def calling_llm(name: str = "run_task", **args: Any) -> MockFunctionCallingLLM:
    """A model that asks for the tool once and then repeats what the tool told it."""

    def respond(messages: Sequence[ChatMessage], **_: Any) -> ChatMessage:
        if messages[-1].role == MessageRole.TOOL:
            return ChatMessage(role="assistant", content=f"It says: {messages[-1].content}")
        call = ToolCallBlock(tool_call_id="call-1", tool_name=name, tool_kwargs=args or {"task": TASK})
        return ChatMessage(role="assistant", blocks=[call])

    return MockFunctionCallingLLM(response_generator=respond, is_chat_model=True)


async def test_a_call_gives_answer_and_sources(spec: MakeSpec, stage: Stage) -> None:
    """Both ways give the text, and behind it a response with ids, artifacts and what the agent's tools returned."""
    made = spec()
    tool = tool_of(made)
    for output in (tool.call(task=TASK), await tool.acall(task=TASK)):
        assert (output.content, output.tool_name, output.is_error) == (ANSWER, "run_task", False)
        response = output.raw_output
        assert isinstance(response, Response)
        request = stage.requests.pop(0)
        assert response.metadata is not None
        assert (response.metadata["response_id"], response.metadata["thread_id"]) == (
            request.response_id,
            request.thread_id,
        )
        assert response.metadata["response_title"] == "Tides"
        assert response.metadata["structured_response"] is None
        assert response.metadata["artifacts"][0]["name"] == "tides.md"
        (node,) = response.source_nodes
        assert (node.text, node.score) == ("High water: 12:00.", None)
        assert node.node_id == f"{request.response_id}:0:0"
        assert (node.metadata["tool_name"], node.metadata["tool_args"]) == ("search", '{"q": "tables"}')
        assert "High water" in response.get_formatted_sources()
    await made.aclose()


def test_what_a_model_sees(spec: MakeSpec) -> None:
    """A model chooses the task; name, description and direct return are those of the maker."""
    about = tool_of(spec(name="researcher", description="Researches.", return_direct=True)).metadata
    assert (about.name, about.description, about.return_direct) == ("researcher", "Researches.", True)
    parameters = about.get_parameters_dict()
    assert (list(parameters["properties"]), parameters["required"]) == (["task"], ["task"])
    assert "sees nothing of this conversation" in parameters["properties"]["task"]["description"]
    assert tool_of(spec()).metadata.name == "run_task"
    assert [tool.metadata.name for tool in spec().to_tool_list(["run_task", "arun_task"])] == ["run_task"] * 2


async def test_a_subclass_may_add_functions(spec: MakeSpec, local: LocalLumnis) -> None:
    """Functions that are not the agent's are described as LlamaIndex does it."""

    class More(LumnisToolSpec):
        spec_functions = [*LumnisToolSpec.spec_functions, "harbour"]  # noqa: RUF012 - declared so by the framework

        def harbour(self, place: str) -> str:
            """Name the harbour of a place."""
            return f"Port of {place}"

    tools = await More(api_key=local.api_key, base_url=local.base_url, user_id="ada").to_tool_list_async()
    assert [tool.metadata.name for tool in tools] == ["run_task", "harbour"]
    assert "Name the harbour" in tools[1].metadata.description
    assert tools[1].call(place="Brest").content == "Port of Brest"


async def test_settings_reach_the_run(spec: MakeSpec, stage: Stage, client: Client) -> None:
    """Whatever the maker settled goes with each task."""
    thread = client.threads.create(title="Tides")
    file = {"name": "a.txt", "uri": "https://example.org/a.txt"}
    made = spec(
        model="openai:gpt-4o",
        model_overrides={"fast_model": "openai:gpt-4o-mini"},
        agent_config={"use_cognitive_tools": True},
        files=[file],
        options={"depth": 2},
        specialized_agent="tide_expert",
        specialized_agent_params={"sea": "north"},
    )
    await made.arun_task(TASK)
    request = stage.requests[0]
    assert [(item.role, item.content) for item in request.messages] == [("user", TASK)]
    assert request.model_overrides == {"smart_model": "openai:gpt-4o", "fast_model": "openai:gpt-4o-mini"}
    assert request.agent_config == {"use_cognitive_tools": True}
    assert (request.files[0]["uri"], request.options) == (file["uri"], {"depth": 2})
    assert (request.specialized_agent, request.specialized_agent_params) == ("tide_expert", {"sea": "north"})
    continued = spec(thread_id=thread.thread_id)
    for _ in range(2):
        continued.run_task(TASK)
    assert [request.thread_id for request in stage.requests[1:]] == [thread.thread_id] * 2
    await made.aclose()


async def test_objects_are_json(spec: MakeSpec, stage: Stage) -> None:
    """With a response_format the model reads JSON, and the object is in the metadata; without one there is an error."""
    stage.play(Script(output_text="At noon.", structured_response={"hour": 12}))
    for wanted in (Tide, Tide.model_json_schema()):
        made = spec(response_format=wanted)
        response = made.run_task(TASK)
        assert (response.response, response.metadata["structured_response"]) == ('{"hour": 12}', {"hour": 12})  # type: ignore[index]
        assert (await made.arun_task(TASK)).response == '{"hour": 12}'
        await made.aclose()
    assert stage.requests[0].response_format == Tide.model_json_schema()
    stage.play(RUN)
    with pytest.raises(StructuredOutputError):
        spec(response_format=Tide).run_task(TASK)


def test_an_empty_answer_has_a_text(spec: MakeSpec, stage: Stage) -> None:
    """Models do not get empty results, which some refuse."""
    stage.play(Script())
    assert tool_of(spec()).call(task=TASK).content == "The agent finished without a text."


@pytest.mark.parametrize("streaming", [True, False])
async def test_function_agents_use_it(spec: MakeSpec, stage: Stage, streaming: bool) -> None:
    """A function agent reads the answer; its stream has the progress, and a result that can be saved."""
    made = spec()
    agent = FunctionAgent(tools=made.to_tool_list(), llm=calling_llm(), streaming=streaming)
    handler = agent.run("When is high water?")
    results, progress = [], []
    async for event in handler.stream_events():
        if isinstance(event, ToolCallResult):
            results.append(event.tool_output.raw_output)
            assert stage.requests[0].response_id in JsonSerializer().serialize(event)
        elif isinstance(event, LumnisProgressEvent) and event.message:
            progress.append((event.message, event.response_id))
    output = await handler
    assert str(output) == f"It says: {ANSWER}"
    assert progress == [("Looking up.", stage.requests[0].response_id)]
    assert results[0].metadata["response_id"] == stage.requests[0].response_id
    await made.aclose()


async def test_react_agents_use_it(spec: MakeSpec, stage: Stage) -> None:
    """A ReAct agent sends the task it wrote and reads the answer."""
    made = spec(name="researcher")
    act = 'Thought: I ask.\nAction: researcher\nAction Input: {"task": "High water?"}'
    said = iter([act, f"Thought: I can answer.\nAnswer: {ANSWER}"])

    def respond(messages: Sequence[ChatMessage], **_: Any) -> ChatMessage:
        return ChatMessage(role="assistant", content=next(said))

    llm = MockFunctionCallingLLM(response_generator=respond, is_chat_model=True)
    assert str(await ReActAgent(tools=made.to_tool_list(), llm=llm).run("When?")) == ANSWER
    assert stage.requests[0].messages[-1].content == "High water?"
    await made.aclose()


async def test_handlers_hear_progress(spec: MakeSpec, own_events: Collector) -> None:
    """Each step reaches the handlers of events once, also outside of a workflow."""
    made = spec()
    made.run_task(TASK)
    await made.arun_task(TASK)
    texts = [event.message for event in own_events.of("LumnisProgressEvent") if event.message]
    assert texts == ["Looking up."] * 2
    await made.aclose()


# Errors


async def test_errors_reach_the_agent(spec: MakeSpec, stage: Stage) -> None:
    """A run that fails is an error when the tool is called, and something to read for a model."""
    stage.play(FAILING)
    made = spec()
    with pytest.raises(core.RunFailedError, match="No luck"):
        tool_of(made).call(task=TASK)
    with pytest.raises(core.RunFailedError, match="No luck"):
        await tool_of(made).acall(task=TASK)
    output = await FunctionAgent(tools=made.to_tool_list(), llm=calling_llm()).run("When?")
    assert "No luck" in str(output)
    await made.aclose()


@pytest.mark.parametrize("task", ["", "  ", None, 7])
async def test_tasks_that_say_nothing_send_nothing(spec: MakeSpec, stage: Stage, task: Any) -> None:
    """A task must be a non-empty string; a model is told."""
    made = spec()
    with pytest.raises(core.ValidationError, match="task must be a non-empty string"):
        made.run_task(task)
    with pytest.raises(core.ValidationError, match="task must be a non-empty string"):
        await made.arun_task(task)
    assert stage.requests == []


def test_unusable_settings_are_refused(spec: MakeSpec, local: LocalLumnis, stage: Stage) -> None:
    """Before anything is sent, with the name of what is wrong."""
    with pytest.raises(core.ConfigurationError, match="LUMNISAI_API_KEY"):
        LumnisToolSpec()
    for name in ("", "a b", "x" * 65, None):
        with pytest.raises(core.ValidationError, match="name must be"):
            spec(name=name)
    for description in (" ", None):
        with pytest.raises(core.ValidationError, match="description must be"):
            spec(description=description)
    with pytest.raises(ValueError, match="users"):
        spec(users="ada")
    with pytest.raises(ValueError, match="run_timeout"):
        spec(run_timeout=0)
    with pytest.raises(core.MissingUserId):
        spec(user_id=None).run_task(TASK)
    with pytest.raises(core.LocalFileNotSupported):
        spec(files=[{"name": "a", "uri": "/tmp/a"}]).run_task(TASK)
    assert stage.requests == []


# Leaving


async def test_cancelling_an_agent_cancels_the_run(spec: MakeSpec, stage: Stage, client: Client) -> None:
    """``handler.cancel_run()`` stops the run on the service."""
    stage.play(ENDLESS)
    made = spec()
    handler = FunctionAgent(tools=made.to_tool_list(), llm=calling_llm()).run("When?")
    async for event in handler.stream_events():
        if isinstance(event, LumnisProgressEvent) and event.message:
            await handler.cancel_run()
    with pytest.raises(WorkflowCancelledByUser):
        await handler
    run = await asyncio.to_thread(client.responses.get, stage.requests[0].response_id, wait=10)
    assert run.status == "cancelled"
    await made.aclose()


async def test_cancelling_a_call_cancels_the_run(
    spec: MakeSpec, stage: Stage, client: Client, own_events: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does cancelling the task that waits, unless it is not wanted."""
    stage.play(ENDLESS)
    begun = asyncio.Event()

    def notice(self: Collector, event: Any, **_: Any) -> None:
        if isinstance(event, LumnisProgressEvent) and event.message:
            begun.set()

    monkeypatch.setattr(Collector, "handle", notice)
    for fields, status in (({}, "cancelled"), ({"cancel_on_interrupt": False}, "in_progress")):
        made = spec(**fields)
        task = asyncio.ensure_future(tool_of(made).acall(task=TASK))
        await begun.wait()
        begun.clear()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        run = await asyncio.to_thread(client.responses.get, stage.requests[-1].response_id)
        assert run.status == status
        await made.aclose()
    client.responses.cancel(stage.requests[-1].response_id)


def test_interrupting_a_call_cancels_the_run(
    spec: MakeSpec, stage: Stage, client: Client, own_events: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while a blocking call waits stops the run."""
    stage.play(ENDLESS)

    def interrupt(self: Collector, event: Any, **_: Any) -> None:
        if isinstance(event, LumnisProgressEvent) and event.message:
            raise KeyboardInterrupt

    monkeypatch.setattr(Collector, "handle", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tool_of(spec()).call(task=TASK)
    assert client.responses.get(stage.requests[0].response_id).status == "cancelled"


# Sharing and keeping


async def test_calls_at_once(spec: MakeSpec, stage: Stage) -> None:
    """Many calls of one tool run side by side, each with its own answer, and never block the loop."""
    stage.answer(lambda request: Script(output_text=f"To {request.messages[-1].content}"))
    made = spec()
    tool = tool_of(made)
    with no_blocking():
        outputs = await asyncio.gather(*(tool.acall(task=f"task {number}") for number in range(20)))
        await made.aclose()
    assert [output.content for output in outputs] == [f"To task {number}" for number in range(20)]


def test_the_key_stays_hidden(spec: MakeSpec, local: LocalLumnis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither text nor pickle has it; copies keep it; what is restored takes it from the environment."""
    made = spec(name="researcher", response_format=Tide.model_json_schema())
    written = pickle.dumps(made)
    assert local.api_key.encode() not in written
    assert local.api_key not in f"{made!r} {vars(made)}"
    copied = copy.deepcopy(spec())
    assert copied.run_task(TASK).response == ANSWER
    copied.close()
    monkeypatch.setenv("LUMNISAI_API_KEY", local.api_key)
    restored = pickle.loads(written)
    assert restored.name == "researcher"
    restored.close()
