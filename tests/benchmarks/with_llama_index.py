"""What is measured of the LLM, and of an LLM that does nothing but pass the call on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.llms import CustomLLM

from lumnisai_core import Client
from lumnisai_integrations.llama_index import LumnisLLM
from lumnisai_integrations.llama_index.reporting import reports_chat
from tests.benchmarks.raw import one_raw_call
from tests.benchmarks.timing import Action


class Bare(CustomLLM):
    """The least that an LLM of LlamaIndex can do with a client."""

    client: Any

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata()

    @reports_chat
    def chat(self, messages: Sequence[ChatMessage], **_: Any) -> ChatResponse:
        run = self.client.invoke([{"role": "user", "content": messages[0].content}])
        return ChatResponse(message=ChatMessage(role="assistant", content=run.output_text))

    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        raise NotImplementedError

    def stream_complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponseGen:
        raise NotImplementedError


@contextmanager
def calls(base_url: str, api_key: str, to_openai: str) -> Iterator[Mapping[str, Action]]:
    """Offer whole calls by what makes them; those of OpenAI's LLM go to another address."""
    llm = LumnisLLM(api_key=api_key, base_url=base_url, user_id="u")
    beside, messages = _openai(to_openai), [ChatMessage("Hi")]
    with one_raw_call(to_openai) as raw, Client(api_key, base_url=base_url, user_id="u") as client:
        bare = Bare(client=client)
        yield {
            "core": lambda: client.invoke("Hi"),
            "bare": lambda: bare.chat(messages),
            "own": lambda: llm.chat(messages),
            "own complete": lambda: llm.complete("Hi"),
            "raw beside": raw,
            "beside": lambda: beside.chat(messages),
        }
    llm.close()


def constructions() -> Mapping[str, Action]:
    """Return what makes our LLM and the one beside it."""
    address = "http://127.0.0.1:9"
    return {
        "own": lambda: LumnisLLM(api_key="key", base_url=address, user_id="u"),
        "beside": lambda: _openai(address),
    }


def _openai(address: str) -> Any:
    # By name, because type checks run without it.
    made = import_module("llama_index.llms.openai").OpenAI
    return made(model="gpt-4o-mini", api_key="key", api_base=address + "/v1")
