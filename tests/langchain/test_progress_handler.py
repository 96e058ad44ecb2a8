"""The progress handler: whose news it shows, how runs end, and what it does in agents, graphs and batches."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import re
import subprocess
import sys
import threading
import weakref
from collections import Counter
from typing import Any, TypedDict
from uuid import uuid4

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph

from lumnisai_core import RunUpdate
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.local import LocalLumnis, Script, ScriptedEngine, Step
from lumnisai_integrations.langchain import LumnisProgressHandler
from lumnisai_integrations.langchain.lumnis.listeners import async_progress_callback, progress_callback
from lumnisai_integrations.langchain.lumnis.progress import RunTree
from tests.conftest import Serve
from tests.langchain.conftest import Connect
from tests.langchain.test_progress import LINES, SAID


def event(message: str = "m", response_id: str = "r", **others: Any) -> dict[str, Any]:
    given = {"status": "in_progress", "state": "planning", "message": message, "tool_calls": [], "entry_index": 0}
    return given | {"response_id": response_id} | others


@pytest.fixture(scope="module")
def failing() -> Any:
    """A service whose runs report a step and fail."""
    script = Script(steps=[Step("Looking.")], error=("NO_TABLE", "There is no table."))
    with LocalLumnis(engine=ScriptedEngine(script), poll="on-change") as service:
        yield service


# Whose news


def test_event_and_chunk_of_one_update_are_shown_once() -> None:
    """Whichever tells first about a run goes on telling; another run under the same id is told by itself."""
    lines: list[str] = []
    handler = LumnisProgressHandler(lines.append)
    run = uuid4()

    class Chunk:
        message = HumanMessage("", additional_kwargs={"lumnis_progress": [event("one"), event("two")]})

    handler.on_custom_event("lumnis_progress", event("one"), run_id=run)
    handler.on_llm_new_token("", chunk=Chunk(), run_id=run)
    handler.on_custom_event("lumnis_progress", event("two"), run_id=run)
    handler.on_custom_event("lumnis_progress", event("two"), run_id=uuid4())  # a caller who passes the news on
    handler.on_custom_event("lumnis_progress", event("other", "s"), run_id=run)
    assert lines == ["PLANNING: one", "PLANNING: two", "PLANNING: other"]


def test_any_runnable_may_report() -> None:
    """A run is known from its first news on, and forgotten with its end; no start needs to be seen."""
    lines: list[str] = []
    handler = LumnisProgressHandler(lines.append)

    def work(_: object, config: RunnableConfig) -> str:
        dispatch_custom_event("lumnis_progress", event("from a function"), config=config)
        return "done"

    for _ in range(2):
        RunnableLambda(work).invoke("x", {"callbacks": [handler]})
    unseen = uuid4()
    handler.on_custom_event("lumnis_progress", event("late"), run_id=unseen)
    handler.on_custom_event("lumnis_progress", event("", status="cancelled", state="cancelled"), run_id=unseen)
    assert lines == ["PLANNING: from a function"] * 2 + ["PLANNING: late", "CANCELLED"]


def test_show_progress_prints_no_line_twice(
    tides: LocalLumnis, connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    """The client prints, not the handler, for a keyword and a field alike; a function of one's own is still called."""
    lines: list[str] = []
    config: RunnableConfig = {"callbacks": [LumnisProgressHandler("lines"), LumnisProgressHandler(lines.append)]}
    connect(tides).invoke("When?", config=config, show_progress=True)
    assert Counter(capsys.readouterr().out.splitlines())["RESEARCHING: Reading the tide tables."] == 1
    connect(tides, show_progress=True).invoke("When?", config=config)
    assert Counter(capsys.readouterr().out.splitlines())["RESEARCHING: Reading the tide tables."] == 1
    assert lines == LINES * 2


# Ends


async def test_a_failed_run_is_shown_as_such(failing: LocalLumnis, connect: Connect) -> None:
    """With the reason, once, however it was called."""
    lines: list[str] = []
    model = connect(failing)
    config: RunnableConfig = {"callbacks": [LumnisProgressHandler(lines.append)]}
    with pytest.raises(Exception, match="no table"):
        model.invoke("?", config)
    with pytest.raises(Exception, match="no table"):
        await model.ainvoke("?", config)
    with pytest.raises(Exception, match="no table"):
        list(model.stream("?", config))
    with pytest.raises(Exception, match="no table"):
        [chunk async for chunk in model.astream("?", config)]
    assert [line.split(":")[0] for line in lines] == ["PROCESSING", "FAILED"] * 4
    assert "There is no table. (NO_TABLE)" in lines[1]


async def test_a_cancelled_run_is_shown_as_such(endless: LocalLumnis, connect: Connect) -> None:
    """A stream that is left and a task that is cancelled."""
    told = asyncio.Event()
    lines: list[str] = []

    def hear(line: str) -> None:
        lines.append(line)
        told.set()

    model = connect(endless)
    config: RunnableConfig = {"callbacks": [LumnisProgressHandler(hear)]}
    for _ in model.stream("?", config):
        break
    assert lines == ["PROCESSING: Working.", "CANCELLED"]
    told.clear()
    task = asyncio.create_task(model.ainvoke("?", config))
    await told.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert lines[2:] == ["PROCESSING: Working.", "CANCELLED"]
    told.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as limit:
            chain = RunnableLambda(str) | model
            waiting = asyncio.ensure_future(told.wait())
            waiting.add_done_callback(lambda _: limit.reschedule(0))
            await chain.ainvoke("?", config)
    assert lines[4:] == ["PROCESSING: Working.", "CANCELLED"]


async def test_a_call_cancelled_before_any_update_is_forgotten(serve: Serve, connect: Connect) -> None:
    """A later run is alone again, and has no number."""
    arrived = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Silent:
        async def run(self, request: Any, report: Any) -> Any:
            loop.call_soon_threadsafe(arrived.set)
            await asyncio.Event().wait()

    lines: list[str] = []
    handler = LumnisProgressHandler(lines.append)
    task = asyncio.create_task(connect(serve(Silent())).ainvoke("?", {"callbacks": [handler]}))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    handler.on_custom_event("lumnis_progress", event(), run_id=uuid4())
    assert lines == ["CANCELLED", "PLANNING: m"]


async def test_a_task_holds_no_handler_of_runs_that_are_over(tides: LocalLumnis, connect: Connect) -> None:
    """A server that answers from one task for days does not fill its memory."""
    lines: list[str] = []
    handler = LumnisProgressHandler(lines.append)
    gone = weakref.ref(handler)
    model = connect(tides)
    await model.ainvoke("?", {"callbacks": [handler]})
    [chunk async for chunk in model.astream("?", {"callbacks": [handler]})]
    await model.aclose()
    del handler
    gc.collect()
    assert gone() is None


def test_a_run_without_updates_can_fail(connect: Connect, local: LocalLumnis) -> None:
    """Such as one that was refused."""
    lines: list[str] = []
    model = connect(local, api_key="wrong")
    with pytest.raises(PermissionError):
        model.invoke("?", config={"callbacks": [LumnisProgressHandler(lines.append)]})
    assert len(lines) == 1
    assert lines[0].startswith("FAILED: ")
    assert "wrong" not in lines[0]


def test_the_end_of_a_chain_ends_what_is_left_in_it() -> None:
    """A live display does not outlive the call that began it."""
    tree = RunTree()
    root, child, grandchild = uuid4(), uuid4(), uuid4()
    tree.start(root, None, "")
    tree.start(child, root, "")
    tree.start(grandchild, child, "")
    assert tree.end(root) == [root, child, grandchild]
    assert tree.end(child) == [child]
    tree.start(root, None, "")
    tree.start(child, root, "title")
    tree.start(grandchild, root, "")
    assert tree.title(child) == "title"
    assert tree.end(child) == [child]
    assert tree.end(root) == [root, grandchild]


def test_a_live_tree_ends_with_the_run(
    failing: LocalLumnis, tides: LocalLumnis, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Good or bad; the terminal is as before, and what a run was about is its title."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stdout", terminal)
    with LumnisProgressHandler() as handler:
        with pytest.raises(Exception, match="no table"):
            connect(failing).invoke("Which table?", config={"callbacks": [handler]})
        assert sys.stdout is terminal
        connect(tides).batch(["When?", "Where?"], config={"callbacks": [handler]})
        assert sys.stdout is terminal
    text = terminal.getvalue()
    assert re.search(r"Which table\? \d steps?, \d+\.\d s FAILED", text)
    assert "When?" in text
    assert "Where?" in text


def test_an_unknown_display_is_refused() -> None:
    """When the handler is made."""
    with pytest.raises(ValidationError, match="display must be one of"):
        LumnisProgressHandler("html")  # type: ignore[arg-type]


# Many at once


async def test_runs_of_a_batch_are_numbered(tides: LocalLumnis, connect: Connect) -> None:
    """Each line of a batch is shown."""
    for abatch in (False, True):
        lines: list[str] = []
        config: RunnableConfig = {"callbacks": [LumnisProgressHandler(lines.append)]}
        model = connect(tides)
        if abatch:
            await model.abatch(["a", "b", "c"], config)
        else:
            model.batch(["a", "b", "c"], config)
        assert Counter(line.removeprefix(line[:4]) if line[0] == "[" else line for line in lines) == Counter(LINES * 3)


def test_one_handler_serves_many_threads(tides: LocalLumnis, connect: Connect) -> None:
    """Nothing is lost or mixed up."""
    lines: list[str] = []
    handler = LumnisProgressHandler(lines.append)
    model = connect(tides)
    threads = [
        threading.Thread(target=model.invoke, args=("?",), kwargs={"config": {"callbacks": [handler]}})
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines) == 8 * len(LINES)


# Agents and graphs


class State(TypedDict):
    answer: str


def graph_of(node: Any) -> Any:
    return StateGraph(State).add_node("ask", node).add_edge(START, "ask").compile()


def test_an_agent_shows_its_progress(serve: Serve, connect: Connect) -> None:
    """The handler hears the model of an agent, also while the agent is streamed."""
    service = serve(Script(steps=[Step("Thinking.")], output_text="High at noon."), poll="on-change")
    lines: list[str] = []
    agent: Any = create_agent(connect(service), tools=[])
    config: RunnableConfig = {"callbacks": [LumnisProgressHandler(lines.append)], "recursion_limit": 5}
    agent.invoke({"messages": [("user", "When?")]}, config)
    list(agent.stream({"messages": [("user", "When?")]}, config, stream_mode=["messages", "updates"]))
    assert lines == ["PROCESSING: Thinking."] * 2


async def test_progress_reaches_the_custom_stream_of_a_graph(tides: LocalLumnis, connect: Connect) -> None:
    """Beside messages and updates, from blocking and asyncio nodes, and every piece once."""
    model = connect(tides)

    def ask(state: State) -> State:
        return {"answer": str(model.invoke("When?").content)}

    async def aask(state: State) -> State:
        return {"answer": str((await model.ainvoke("When?")).content)}

    def ask_streaming(state: State) -> State:
        return {"answer": "".join(str(chunk.content) for chunk in model.stream("When?"))}

    modes = ["custom", "messages", "updates"]
    lines: list[str] = []
    config = {"callbacks": [LumnisProgressHandler(lines.append)]}
    for parts in (
        list(graph_of(ask).stream({"answer": ""}, config, stream_mode=modes)),
        [part async for part in graph_of(aask).astream({"answer": ""}, config, stream_mode=modes)],
        list(graph_of(ask_streaming).stream({"answer": ""}, config, stream_mode=modes)),
        [part async for part in graph_of(aask).astream({"answer": ""}, config, stream_mode=["custom", "updates"])],
        list(graph_of(ask).stream({"answer": ""}, config, stream_mode=["custom", "updates"])),
    ):
        news = [part["lumnis_progress"] for mode, part in parts if mode == "custom"]
        assert [item["message"] for item in news if item["message"] and item["state"] != "tool_update"] == SAID
        assert news[-1]["status"] == "succeeded"
        assert json.loads(json.dumps(news)) == news
        assert parts[-1] == ("updates", {"ask": {"answer": "High at noon."}})
    assert lines == LINES * 5


async def test_a_subgraph_reaches_the_stream_of_its_graph(tides: LocalLumnis, connect: Connect) -> None:
    """If it is streamed with its subgraphs."""
    model = connect(tides)

    def ask(state: State) -> State:
        return {"answer": str(model.invoke("When?").content)}

    inner = graph_of(ask)
    parts = graph_of(inner).stream({"answer": ""}, stream_mode="custom", subgraphs=True)
    said = [
        part["lumnis_progress"]["message"] for _, part in parts if part["lumnis_progress"]["state"] != "tool_update"
    ]
    assert [message for message in said if message] == SAID


def test_a_listener_may_be_told_from_another_thread() -> None:
    """It writes to the stream of the node in which it was made."""
    update = RunUpdate(response_id="r", thread_id=None, status="in_progress", state="planning", message="m")

    def ask(state: State) -> State:
        tell = progress_callback(None)
        thread = threading.Thread(target=tell, args=(update,))
        thread.start()
        thread.join()
        return {"answer": ""}

    (part,) = graph_of(ask).stream({"answer": ""}, stream_mode="custom")
    assert part["lumnis_progress"]["message"] == "m"


async def test_nobody_listens_in_a_graph_without_custom_stream() -> None:
    """Then polls stay long; elsewhere there is no stream to write to at all."""
    found: list[object] = []

    def look(state: State) -> State:
        get_stream_writer()({"ignored": True})
        found.append(progress_callback(None))
        return {"answer": ""}

    async def alook(state: State) -> State:
        found.append(async_progress_callback(None))
        return {"answer": ""}

    graph_of(look).invoke({"answer": ""})
    list(graph_of(look).stream({"answer": ""}, stream_mode=["updates", "messages"]))
    await graph_of(alook).ainvoke({"answer": ""})
    RunnableLambda(look_outside).invoke(found)
    assert found == [None] * 4
    list(graph_of(look).stream({"answer": ""}, stream_mode="custom"))
    assert callable(found[-1])


def look_outside(found: list[object]) -> None:
    found.append(progress_callback(None))


@pytest.mark.processes
def test_langgraph_is_not_imported_for_it(local: LocalLumnis) -> None:
    """Nor is anything that only displays need."""
    program = (
        "import sys\nfrom lumnisai_integrations.langchain.lumnis.progress import LumnisProgressHandler\n"
        "from lumnisai_integrations.langchain.lumnis.listeners import progress_callback\n"
        "LumnisProgressHandler()\nassert progress_callback(None) is None\n"
        "loaded = {'langgraph', 'rich.tree', 'IPython'} & sys.modules.keys()\nassert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
