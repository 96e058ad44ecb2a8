"""A real model behind the chat model engine: its words mean nothing, but tokens, objects, ends and errors are real."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessageChunk
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from lumnisai_core import Client
from lumnisai_core.exceptions import RunCancelledError, RunFailedError
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.langchain import ChatLumnis, ChatModelEngine

KEY = "a-key-of-nobody"
PYTHON = Path(__file__).parents[2] / ".venv" / "model" / "bin" / "python"
LEVEL: dict[str, Any] = {
    "title": "Level",
    "type": "object",
    "properties": {"level": {"enum": ["low", "high"]}, "wet": {"type": "boolean"}},
    "required": ["level", "wet"],
    "additionalProperties": False,
}


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The address of llama.cpp with the model, in a process of its own environment."""
    command = [str(PYTHON), str(Path(__file__).with_name("served.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        line = server.stdout.readline().strip()
        assert line.startswith("http://"), "the model was not served"
        yield line
        server.stdin.close()
        server.wait(60)


def chat_model(address: str, **fields: Any) -> ChatOpenAI:
    settings: dict[str, Any] = {"model": "gemma-3-270m", "temperature": 0, "timeout": 600, "max_retries": 0}
    return ChatOpenAI(base_url=f"{address}/v1", api_key=SecretStr(KEY), **settings | fields)


@pytest.fixture
def local(address: str) -> Iterator[LocalLumnis]:
    """A service whose runs the model answers with a few tokens."""
    with LocalLumnis(engine=ChatModelEngine(chat_model(address, max_tokens=4)), poll="on-change") as service:
        yield service


def client_of(service: LocalLumnis) -> Client:
    return Client(service.api_key, base_url=service.base_url, user_id="user-123")


def busy(address: str) -> bool:
    return any(slot["is_processing"] for slot in httpx.get(f"{address}/slots", timeout=60).json())


def test_tokens_stream_and_are_counted(local: LocalLumnis) -> None:
    """The text comes in several pieces, which are the whole answer, with the tokens of the model."""
    address: dict[str, Any] = {"api_key": local.api_key, "base_url": local.base_url, "user_id": "user-123"}
    chat = ChatLumnis(**address, run_timeout=600)
    chunks = [chunk for chunk in chat.stream("The tide is") if isinstance(chunk, AIMessageChunk)]
    chat.close()
    whole: Any = sum(chunks[1:], start=chunks[0])
    assert len([chunk for chunk in chunks if chunk.text]) > 1
    assert whole.usage_metadata["output_tokens"] == 4
    assert whole.usage_metadata["input_tokens"] > 3
    assert "gemma" in whole.response_metadata["model_name"]


def test_an_object_is_held_to_its_schema(address: str) -> None:
    engine = ChatModelEngine(chat_model(address, max_tokens=40), structured_method="json_schema")
    with LocalLumnis(engine=engine) as service, client_of(service) as client:
        run = client.invoke("How high is the tide?", response_format=LEVEL, run_timeout=600)
    assert run.structured_response is not None
    assert run.structured_response["level"] in ("low", "high")
    assert isinstance(run.structured_response["wet"], bool)
    assert run.usage is not None


def test_a_cancelled_run_stops_the_generation(address: str) -> None:
    """The server has nothing to do any more, long before the limit of tokens."""
    engine = ChatModelEngine(chat_model(address, max_tokens=900, extra_body={"ignore_eos": True}))
    with LocalLumnis(engine=engine, poll="on-change") as service, client_of(service) as client:
        run = client.responses.create("Count to a million.")
        while not busy(address):  # a base model may write nothing that can be seen
            pass
        client.responses.cancel(run.response_id)
        with pytest.raises(RunCancelledError):
            client.responses.wait(run.response_id)
        while busy(address):
            pass


def test_a_prompt_that_is_too_long_is_an_error_with_a_code(local: LocalLumnis) -> None:
    """The server's own words reach the caller, without the key."""
    with client_of(local) as client, pytest.raises(RunFailedError, match="CONTEXT_LENGTH_EXCEEDED") as caught:
        client.invoke("tide " * 3_000, run_timeout=600)
    assert KEY not in str(caught.value)


def test_a_server_that_is_gone_is_an_error_with_a_code() -> None:
    engine = ChatModelEngine(chat_model("http://127.0.0.1:9", max_tokens=4))
    with LocalLumnis(engine=engine) as service, client_of(service) as client:
        with pytest.raises(RunFailedError, match="MODEL_UNAVAILABLE"):
            client.invoke("Hello")
