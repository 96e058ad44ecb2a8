"""What is measured of the chat model, and of a chat model that does nothing but pass the call on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from lumnisai_core import Client
from lumnisai_integrations.langchain import ChatLumnis
from tests.benchmarks.raw import one_raw_call
from tests.benchmarks.timing import Action


class Bare(BaseChatModel):
    """The least that a chat model of LangChain can do with a client."""

    client: Any

    @property
    def _llm_type(self) -> str:
        return "bare"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        run = self.client.invoke([{"role": "user", "content": messages[0].text}])
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=run.output_text))])


@contextmanager
def calls(base_url: str, api_key: str, to_openai: str) -> Iterator[Mapping[str, Action]]:
    """Offer whole calls by what makes them; those of OpenAI's model go to another address."""
    model = ChatLumnis(api_key=api_key, base_url=base_url, user_id="u")
    beside = _chat_openai(to_openai)
    with one_raw_call(to_openai) as raw, Client(api_key, base_url=base_url, user_id="u") as client:
        bare = Bare(client=client)
        yield {
            "core": lambda: client.invoke("Hi"),
            "bare": lambda: bare.invoke("Hi"),
            "own": lambda: model.invoke("Hi"),
            "raw beside": raw,
            "beside": lambda: beside.invoke("Hi"),
        }
    model.close()


def constructions() -> Mapping[str, Action]:
    """Return what makes our model and the one beside it."""
    address = "http://127.0.0.1:9"
    return {
        "own": lambda: ChatLumnis(api_key="key", base_url=address, user_id="u"),
        "beside": lambda: _chat_openai(address),
    }


def _chat_openai(address: str) -> Any:
    # By name, because type checks run without it.
    made = import_module("langchain_openai").ChatOpenAI
    return made(model="gpt-4o-mini", api_key="key", base_url=address + "/v1")
