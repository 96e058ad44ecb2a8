"""What the tests of memories and chat stores share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis, RunRequest, Script
from lumnisai_integrations.llama_index import LumnisLLM
from lumnisai_integrations.llama_index.lumnis.memory import LumnisThreadMemory
from tests.llama_index.conftest import Stage

Remember = Callable[..., LumnisThreadMemory]


@pytest.fixture
async def remember(local: LocalLumnis, stage: Stage, llm: LumnisLLM) -> AsyncIterator[Remember]:
    """Makes memories on the service; afterwards their connections and those of the LLM are closed."""
    stage.answer(echo)
    made: list[LumnisThreadMemory] = []

    def make(**fields: object) -> LumnisThreadMemory:
        known = {"api_key": local.api_key, "base_url": local.base_url, "user_id": "ada"}
        made.append(LumnisThreadMemory(**{**known, **fields}))
        return made[-1]

    yield make
    for memory in made:
        memory.close()
        await memory.aclose()
    await llm.aclose()


class OneNode(BaseRetriever):
    """Finds the same text for every question."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [NodeWithScore(node=TextNode(text="The harbour opens at six."), score=1.0)]


def echo(request: RunRequest) -> Script:
    """Answer with the last message and the number of messages that the agent knows."""
    return Script(output_text=f"{request.input_messages[-1].content}! ({len(request.messages)})")


def thread_turns(client: Client, thread_id: str | None) -> list[tuple[str, str]]:
    """Return what a thread holds besides instructions, oldest first."""
    assert thread_id is not None
    turns = []
    for run in reversed(list(client.threads.iter_responses(thread_id))):
        if run.status == "succeeded":
            turns += [(str(sent.role), sent.content) for sent in run.input_messages if sent.role != "system"]
            turns.append(("assistant", run.output_text or ""))
    return turns


def texts(messages: list[ChatMessage]) -> list[tuple[str, str]]:
    """Return role and text of messages."""
    return [(message.role.value, message.content or "") for message in messages]


def are_stored(messages: list[ChatMessage]) -> list[bool]:
    """Say of each message whether it is tagged as stored."""
    return [message.additional_kwargs.get("lumnis_persisted", False) for message in messages]
