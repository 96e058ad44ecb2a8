"""Messages whose content is a list of blocks, and what texts have beside them instead."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.local import LocalLumnis, RunReport, RunRequest, RunResult, Script, ScriptedEngine, Step
from tests.conftest import Serve
from tests.langchain.conftest import Connect

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")

STEPS = [
    Step("One."),
    Step("Two.", tool_calls=[{"name": "web_search", "args": {"query": "tides"}, "output_text": "3 hits"}]),
    Step("Three."),
]
ARTIFACTS: tuple[dict[str, Any], ...] = (
    {"artifactId": "a1", "name": "tides.md", "parts": [{"kind": "text", "text": "# Tides"}]},
    {"artifactId": "a2", "name": "tides.pdf", "url": "https://files.example/tides.pdf", "parts": []},
)


class Maker:
    """Plays a script and makes two documents, one of which has an address."""

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        result = await ScriptedEngine(Script(steps=STEPS, output_text="High at noon.", title="Tides")).run(
            request, report
        )
        return RunResult(result.output_text, artifacts=ARTIFACTS)


@pytest.fixture
def rich(serve: Serve) -> LocalLumnis:
    """A service whose runs have everything that a message can show."""
    return serve(Maker(), poll="on-change")


async def test_every_way_of_asking_ends_with_the_same_blocks(rich: LocalLumnis, connect: Connect) -> None:
    """With content as blocks, too; then reasoning and artifacts are there, and nowhere else."""
    model = connect(rich, output_version="v1")
    messages: list[AIMessage] = [
        model.invoke("When?"),
        await model.ainvoke("When?"),
        summed(list(model.stream("When?"))),
        summed([chunk async for chunk in model.astream("When?")]),
        connect(rich, output_version="v1", streaming=True).invoke("When?"),
        model.stream_events("When?", version="v3").output,
    ]
    kinds = {block["type"] for block in messages[0].content_blocks}
    assert kinds == {"reasoning", "server_tool_call", "server_tool_result", "text", "file", "non_standard"}
    for message in messages:
        assert message.response_metadata["output_version"] == "v1"
        assert without_ids(message) == without_ids(messages[0])
        assert message.content == message.content_blocks
        assert not {"reasoning_content", "artifacts"} & message.additional_kwargs.keys()


def summed(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


def without_ids(message: AIMessage) -> list[dict[str, Any]]:
    """Return the blocks without what differs from run to run, or is there to add chunks up."""
    return [
        {name: value for name, value in block.items() if name not in ("index", "id", "tool_call_id", "file_id")}
        for block in message.content_blocks
    ]


def test_artifacts_are_beside_a_text(rich: LocalLumnis, connect: Connect) -> None:
    model = connect(rich)
    for message in (model.invoke("When?"), summed(list(model.stream("When?")))):
        assert isinstance(message.content, str)
        assert len(message.additional_kwargs["artifacts"]) == 2


def test_an_answer_with_artifacts_goes_back_as_history(rich: LocalLumnis, connect: Connect) -> None:
    """Its artifacts are with the service already; a file of the user is none of these and must be given by URI."""
    model = connect(rich, output_version="v1")
    answer = model.invoke("When?")
    assert model.invoke([HumanMessage("When?"), answer, HumanMessage("And then?")]).text
    with pytest.raises(ValidationError, match="'file'"):
        model.invoke([HumanMessage([{"type": "file", "url": "https://x.example/a.pdf"}])])
