"""Runs through the tools: answers, follow-ups, long runs, leaving, errors."""

from __future__ import annotations

import asyncio
from typing import Any

import jsonschema_rs
import pytest
from mcp.client.client import Client as McpClient

from lumnisai_core import AsyncClient, Client, ResponseObject
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.local import LocalLumnis, Script, Step
from lumnisai_integrations.mcp import mcp_server
from lumnisai_integrations.mcp.tools import ANSWER_WITHIN, result_of
from tests.conftest import Serve
from tests.loops import no_blocking
from tests.mcp.conftest import USER, Connect, lumnis_client, text_of
from tests.servers import EndlessEngine, GatedEngine, HistoryEngine, RequestEngine

QUESTION = {"question": "Neap tides are small. Which tides are small?"}
SCHEMA = {"type": "object", "properties": {"tides": {"type": "string"}}, "required": ["tides"]}


def runs_of(local: LocalLumnis, user: str = USER) -> list[Any]:
    with Client(local.api_key, base_url=local.base_url, user_id=user) as client:
        return list(client.responses.iter())


async def test_a_question_is_answered_with_progress(connect: Connect, local: LocalLumnis) -> None:
    """The text is for the model, the structured result is what the schema of the tool promises."""
    steps: list[tuple[float, str | None]] = []

    async def progress(number: float, total: float | None, message: str | None) -> None:
        steps.append((number, message))

    with no_blocking():
        async with connect(local) as mcp:
            listed = {tool.name: tool for tool in (await mcp.list_tools()).tools}
            result = await mcp.call_tool("ask", QUESTION, progress_callback=progress)
    assert not result.is_error
    state = result.structured_content
    assert (state["status"], state["answer"]) == ("succeeded", "Neap tides are small.")
    assert text_of(result).startswith("Neap tides are small.")
    assert state["thread_id"] in text_of(result)
    assert steps[0] == (1, "PROCESSING: Thinking about the request.")
    assert [number for number, _ in steps] == list(range(1, len(steps) + 1))
    jsonschema_rs.validator_for(listed["ask"].output_schema).validate(state)


async def test_the_tools_describe_themselves(connect: Connect, local: LocalLumnis) -> None:
    """Clients that ask before anything destructive happens know which tools only read."""
    async with connect(local) as mcp:
        tools = {tool.name: tool for tool in (await mcp.list_tools()).tools}
        assert "wait" in (mcp.instructions or "")
    assert list(tools) == ["ask", "wait", "status", "cancel"]
    read_only = {name for name, tool in tools.items() if tool.annotations.read_only_hint}
    assert read_only == {"wait", "status"}
    assert tools["ask"].input_schema["required"] == ["question"]
    assert all(about["description"] for tool in tools.values() for about in tool.input_schema["properties"].values())


async def test_a_follow_up_continues_the_thread(connect: Connect, serve: Serve) -> None:
    """Without the id a question begins a conversation of its own."""
    async with connect(serve(HistoryEngine())) as mcp:
        first = (await mcp.call_tool("ask", {"question": "One"})).structured_content
        second = await mcp.call_tool("ask", {"question": "Two", "thread_id": first["thread_id"]})
        other = await mcp.call_tool("ask", {"question": "Three"})
    assert second.structured_content["answer"] == "3: One | 1: One | Two"
    assert other.structured_content["answer"] == "1: Three"


async def test_the_answer_is_an_object_if_a_schema_is_passed(connect: Connect, local: LocalLumnis) -> None:
    """As text for the model, too."""
    async with connect(local) as mcp:
        result = await mcp.call_tool("ask", {**QUESTION, "answer_schema": SCHEMA})
    assert isinstance(result.structured_content["result"]["tides"], str)
    assert '"tides"' in text_of(result)


async def test_files_and_settings_reach_the_run(connect: Connect, serve: Serve) -> None:
    """Arguments of the call override those of the server, and nothing of either is lost."""
    engine = RequestEngine()
    parameters = {"options": {"note": "tide", "use_files": True}, "model_overrides": {"smart_model": "openai:gpt-4o"}}
    async with connect(serve(engine), parameters=parameters) as mcp:
        uri = "https://example.org/tables/tide%20table.pdf?year=1"
        await mcp.call_tool("ask", {"question": "One", "files": [uri, "artifact_7"], "use_files": False})
        await mcp.call_tool("ask", {"question": "Two"})
    first, second = engine.requests
    assert [(file["name"], file["uri"]) for file in first.files] == [
        ("tide table.pdf", uri),
        ("artifact_7", "artifact_7"),
    ]
    assert (first.options, second.options) == ({"note": "tide", "use_files": False}, parameters["options"])
    assert second.model_overrides == parameters["model_overrides"]


async def test_a_long_run_is_answered_by_waiting(connect: Connect, serve: Serve) -> None:
    """No call takes longer than the limit; it is one run, and the last call has its answer."""
    engine = GatedEngine(Script([Step("Reading the table.")], output_text=""), Script([], output_text="At noon."))
    local = serve(engine, poll="on-change")
    async with connect(local, answer_within=0.2) as mcp:
        asked = await mcp.call_tool("ask", {"question": "When is high tide?"})
        state = asked.structured_content
        assert (asked.is_error, state["status"], state["answer"]) == (False, "in_progress", None)
        assert "wait" in state["next_step"]
        assert state["run_id"] in text_of(asked)
        engine.open()
        waited: Any = None
        while waited is None or not waited["progress"]:
            waited = (await mcp.call_tool("wait", {"run_id": state["run_id"]})).structured_content
        assert waited["progress"] == ["Reading the table."]
        assert (await mcp.call_tool("status", {"run_id": state["run_id"]})).structured_content[
            "status"
        ] == "in_progress"
        engine.open()
        while waited["status"] == "in_progress":
            waited = (await mcp.call_tool("wait", {"run_id": state["run_id"]})).structured_content
    assert (waited["answer"], waited["next_step"], waited["progress"]) == ("At noon.", None, [])
    assert [run.response_id for run in runs_of(local)] == [state["run_id"]]


def test_twelve_calls_are_enough_for_ten_minutes() -> None:
    """And each ends before a client that gives up after a minute."""
    assert ANSWER_WITHIN < 60
    assert ANSWER_WITHIN * 12 >= 600


async def test_a_run_is_stopped(connect: Connect, serve: Serve) -> None:
    """Once; cancelling again changes nothing."""
    local = serve(EndlessEngine(), poll="on-change")
    async with connect(local, answer_within=0.1) as mcp:
        run = (await mcp.call_tool("ask", QUESTION)).structured_content["run_id"]
        first = await mcp.call_tool("cancel", {"run_id": run})
        again = await mcp.call_tool("cancel", {"run_id": run})
        waited = await mcp.call_tool("wait", {"run_id": run})
    assert [first.structured_content["status"], again.structured_content["status"]] == ["cancelled"] * 2
    assert waited.is_error
    assert "cancelled" in text_of(waited)


async def ended(local: LocalLumnis) -> str:
    """Wait for the end of the only run; return its status."""
    async with lumnis_client(local) as client:
        (run,) = (await client.responses.list()).responses
        return str((await client.responses.get(run.response_id, wait=10)).status)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_cancelled_question_stops_its_run(mode: str, connect: Connect, serve: Serve) -> None:
    """Nobody would ever learn its id."""
    local = serve(EndlessEngine(), poll="on-change")
    works = asyncio.Event()

    async def progress(*_: Any) -> None:
        works.set()

    async with connect(local, mode=mode) as mcp:
        call = asyncio.ensure_future(mcp.call_tool("ask", QUESTION, progress_callback=progress))
        await works.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await ended(local) == "cancelled"


async def test_leaving_a_wait_leaves_the_run(connect: Connect, serve: Serve) -> None:
    """Its id is known: a client that was restarted finds its answer."""
    engine = GatedEngine(Script([Step("Working.")], output_text=""), Script([], output_text="Done."))
    local = serve(engine, poll="on-change")
    works = asyncio.Event()

    async def progress(*_: Any) -> None:
        works.set()

    async with connect(local, answer_within=0.1, mode="legacy") as mcp:
        run = (await mcp.call_tool("ask", QUESTION)).structured_content["run_id"]
    async with connect(local, mode="legacy") as mcp:
        call = asyncio.ensure_future(mcp.call_tool("wait", {"run_id": run}, progress_callback=progress))
        engine.open()
        await works.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    engine.open()
    async with connect(local) as mcp:
        assert (await mcp.call_tool("wait", {"run_id": run})).structured_content["answer"] == "Done."


async def test_many_questions_at_once(connect: Connect, serve: Serve) -> None:
    """Each gets its own answer."""
    async with connect(serve(RequestEngine())) as mcp:
        calls = (mcp.call_tool("ask", {"question": f"Question {number}"}) for number in range(20))
        answers = [result.structured_content["answer"] for result in await asyncio.gather(*calls)]
    assert answers == [f"Question {number}" for number in range(20)]


async def test_runs_belong_to_the_user_of_the_client(connect: Connect, local: LocalLumnis) -> None:
    """The model cannot choose another one."""
    async with connect(local, user="ann") as mcp:
        assert not (await mcp.call_tool("ask", QUESTION)).is_error
        assert (await mcp.call_tool("ask", {**QUESTION, "user_id": "bob"})).is_error
    assert [len(runs_of(local, user)) for user in ("ann", "bob")] == [1, 0]


WRONG = [
    ("ask", {}, "question: Field required"),
    ("ask", {"question": ""}, "question: String should have at least 1 character"),
    ("ask", {"question": 1}, "question: Input should be a valid string"),
    ("ask", {"question": "Q", "user": "bob"}, "user: Extra inputs are not permitted"),
    ("ask", {"question": "Q", "files": ["tides.md"]}, "looks like a local path"),
    ("ask", {"question": "Q", "files": ["//[x"]}, "looks like a local path"),
    ("wait", {}, "run_id: Field required"),
    ("wait", {"run_id": "nowhere"}, "There is no response nowhere"),
    ("status", {"run_id": "nowhere"}, "There is no response nowhere"),
    ("cancel", {"run_id": "../users"}, "../users"),
    ("ask", {"question": "Q", "thread_id": "nowhere"}, "nowhere"),
]


@pytest.mark.parametrize(("tool", "arguments", "words"), WRONG)
async def test_wrong_arguments_are_errors_of_the_tool(
    tool: str, arguments: dict[str, Any], words: str, connect: Connect, local: LocalLumnis
) -> None:
    """So that the model can correct itself; the value or argument is named."""
    async with connect(local) as mcp:
        result = await mcp.call_tool(tool, arguments)
    assert result.is_error
    assert words in text_of(result)


async def test_an_unknown_tool_is_an_error_of_the_protocol(connect: Connect, local: LocalLumnis) -> None:
    """It names the tools that there are."""
    async with connect(local) as mcp:
        with pytest.raises(Exception, match="no tool 'fly'; there are ask, wait, status, cancel"):
            await mcp.call_tool("fly", {})


async def test_a_failed_run_says_why(connect: Connect, serve: Serve) -> None:
    """And how to try again in the same conversation; status reports it without an error of its own."""
    local = serve(Script([Step("Trying.")], error=("NO_TABLE", "There is no tide table.")))
    async with connect(local) as mcp:
        failed = await mcp.call_tool("ask", QUESTION)
        (run,) = runs_of(local)
        status = await mcp.call_tool("status", {"run_id": run.response_id})
    assert failed.is_error
    assert "There is no tide table." in text_of(failed)
    assert run.thread_id in text_of(failed)
    assert (status.is_error, status.structured_content["status"]) == (False, "failed")
    assert "There is no tide table." in status.structured_content["error"]


async def test_a_service_that_is_gone_is_an_error_of_the_tool(connect: Connect, serve: Serve) -> None:
    """Without the key; the server lives on."""
    with LocalLumnis() as local:
        key, address = local.api_key, local.base_url
    async with AsyncClient(key, base_url=address, user_id=USER, max_retries=0) as client:
        async with McpClient(mcp_server(client)) as mcp:
            for _ in range(2):
                result = await mcp.call_tool("ask", QUESTION)
                assert result.is_error
                assert "POST /v1/responses" in text_of(result)
                assert key not in text_of(result)


@pytest.mark.parametrize("limit", [0, -1, float("inf"), float("nan")])
async def test_a_limit_that_cannot_be_kept_is_refused(limit: float, local: LocalLumnis) -> None:
    """When the server is made."""
    async with lumnis_client(local) as client:
        with pytest.raises(ValidationError, match="answer_within must be a positive number"):
            mcp_server(client, answer_within=limit)


def test_an_answer_without_a_text_says_so() -> None:
    """Models refuse empty results of tools."""
    run = ResponseObject.model_validate({"response_id": "r", "status": "succeeded"})
    assert text_of(result_of(run)) == "The agent finished without a text."
