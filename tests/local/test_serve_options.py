"""Options of `lumnis serve`: engines, agents, keys that expire, faults."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from lumnisai_core import Client
from lumnisai_core.exceptions import AuthenticationError, RunFailedError
from lumnisai_core.local import Fault, LocalLumnis, OfflineEngine
from lumnisai_integrations._commands import CommandError
from lumnisai_integrations._commands.engines import agents_from, engine_from
from lumnisai_integrations._commands.serve import fault_from
from lumnisai_integrations.cli import main
from lumnisai_integrations.langchain import ChatModelEngine
from tests.servers import Canned, CannedServer, canned_server
from tests.test_cli import served

KEY = "sk-made-up"


def _completion(text: str) -> bytes:
    """A streamed answer of OpenAI's chat completions."""
    about = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt"}
    deltas: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": text}, None), ({}, "stop")]
    choices = [[{"index": 0, "delta": delta, "finish_reason": reason}] for delta, reason in deltas]
    return b"".join(b"data: %s\n\n" % json.dumps({**about, "choices": each}).encode() for each in choices) + (
        b"data: [DONE]\n\n"
    )


@pytest.fixture
def openai(monkeypatch: pytest.MonkeyPatch) -> AbstractContextManager[CannedServer]:
    """An endpoint of OpenAI's protocol, which the package langchain-openai finds by the environment."""

    @contextmanager
    def serving() -> Any:
        with canned_server(
            [Canned(body=_completion("At noon."), headers={"Content-Type": "text/event-stream"})]
        ) as server:
            monkeypatch.setenv("OPENAI_API_KEY", KEY)
            monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
            yield server

    return serving()


def _models(server: CannedServer) -> list[str]:
    assert {item.path for item in server.received} == {"/chat/completions"}
    return [json.loads(item.body)["model"] for item in server.received]


def test_a_provider_and_a_model_are_a_chat_model(openai: AbstractContextManager[CannedServer]) -> None:
    """It receives the conversation; `model_overrides` name another model of the real `init_chat_model`."""
    with openai as server:
        engine = engine_from("openai:gpt-4o")
        assert isinstance(engine, ChatModelEngine)
        with LocalLumnis(engine=engine) as local:
            with Client(local.api_key, base_url=local.base_url, user_id="u") as client:
                assert client.invoke("When is high tide?").output_text == "At noon."
                overrides = {"smart_model": "openai:gpt-4.1-mini"}
                assert client.invoke("And low tide?", model_overrides=overrides).output_text == "At noon."
                with pytest.raises(RunFailedError, match="MODEL_NOT_AVAILABLE"):
                    client.invoke("Hello", model_overrides={"smart_model": "nobody:gpt"})
        assert _models(server) == ["gpt-4o", "gpt-4.1-mini"]
        assert b"When is high tide?" in server.received[0].body
        assert server.received[0].headers["authorization"] == f"Bearer {KEY}"


MODULE = """
from lumnisai_core.local import OfflineEngine
engine = OfflineEngine(step_delay=0)
"""


def test_an_object_comes_before_a_chat_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the folder may be called like a provider."""
    (tmp_path / "groq.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "groq", raising=False)
    try:
        assert isinstance(engine_from("groq:engine"), OfflineEngine)
    finally:
        sys.modules.pop("groq", None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nowhere:gpt", ["no module nowhere", "unknown provider nowhere", "openai"]),
        ("json:gpt", ["no attribute 'gpt'", "unknown provider json"]),
        ("groq:llama", ["pip install langchain-groq"]),
        ("openai:gpt-4o", ["cannot be made", "OPENAI_API_KEY"]),
    ],
)
def test_an_unknown_engine_is_refused_with_both_readings(
    text: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing package is named, and missing credentials are in the message of the provider."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(CommandError) as caught:
        engine_from(text)
    for word in (text, *words):
        assert word in str(caught.value)


def test_without_langchain_the_error_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other reading is in it, too."""
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    with pytest.raises(CommandError, match=r"no module nowhere.*pip install langchain"):
        engine_from("nowhere:gpt")


def test_agents_have_names_and_engines() -> None:
    """The same kinds of engine as for all runs; mistakes name the agent."""
    assert isinstance(agents_from([("scout", "offline")], 0)["scout"], OfflineEngine)
    with pytest.raises(CommandError, match="--agent scout is repeated"):
        agents_from([("scout", "offline"), ("scout", "offline")], 0)
    with pytest.raises(CommandError, match=r"--agent scout: nowhere\.json: No such file"):
        agents_from([("scout", "nowhere.json")], 0)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("status=503", Fault(status=503)),
        ("status=503,route=POST /v1/responses, times=2", Fault("POST /v1/responses", status=503, times=2)),
        ("route=GET /v1/responses/{id},latency=0.5", Fault("GET /v1/responses/{id}", latency=0.5)),
        ("truncate, probability=0.5, seed=7", Fault(truncate=True, probability=0.5, seed=7)),
        ("reset=after,after=1", Fault(reset="after", after=1)),
        ("garbage=true", Fault(garbage=True)),
        ("status=429,retry_after=2.5", Fault(status=429, retry_after=2.5)),
        (
            "status=503,retry_after=Tue, 01 Jan 2030 00:00:00 GMT",
            Fault(status=503, retry_after=datetime(2030, 1, 1, tzinfo=UTC)),
        ),
        ("status=502,body=<h1>Bad, bad</h1>", Fault(status=502, body="<h1>Bad, bad</h1>")),
        ('status=500,body={"detail": "no"}', Fault(status=500, body={"detail": "no"})),
        ('{"status": 503, "route": "*"}', Fault(status=503)),
    ],
)
def test_a_fault_is_written_by_its_fields(text: str, fault: Fault) -> None:
    """Numbers, texts, dates, switches; or the whole as JSON."""
    assert fault_from(text) == fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "something to do"),
        ("times=2", "something to do"),
        ("status=99", "from 200 to 599"),
        ("code=503", "Fault has no code; known keys: route"),
        ("status=503,status=500", "status is repeated"),
        ("reset=soon", "'before' or 'after'"),
        ("status", "must be a whole number"),
        ("status=503,retry_after=later", "seconds or a date"),
        ("route=/v1/responses,status=503", "must be like 'POST /v1/responses'"),
        ("{", "not valid JSON"),
    ],
)
def test_a_fault_that_cannot_work_is_refused(text: str, words: str) -> None:
    """With the field and what it may be."""
    with pytest.raises(ValueError, match=words):
        fault_from(text)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fault", "status=99"], "from 200 to 599"),
        (["--agent", "scout"], "must have the form NAME=ENGINE"),
        (["--agent", "=offline"], "must have the form NAME=ENGINE"),
        (["--key-expires", "lmn_secret"], "must have the form KEY=DATE"),
        (["--key-expires", "lmn_secret=soon"], "with a date such as 2030-01-31"),
    ],
)
def test_wrong_options_are_status_2(arguments: Sequence[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With what to write instead, and never a key."""
    with pytest.raises(SystemExit) as caught:
        main(["serve", *arguments])
    errors = capsys.readouterr().err
    assert caught.value.code == 2
    assert words in errors
    assert "lmn_secret" not in errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fault", "status=503,route=GET /v1/nowhere"], "there is no route 'GET /v1/nowhere'"),
        (["--key-expires", "lmn_secret=2030-01-01"], "neither api_key nor one of tenants"),
        (["--agent", "scout=nonsense"], "--agent scout: nonsense: use offline"),
    ],
)
def test_options_that_do_not_go_together_are_status_1(
    arguments: Sequence[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One message, and never a key."""
    assert main(["serve", "--port", "0", *arguments]) == 1
    errors = capsys.readouterr().err
    assert words in errors
    assert "lmn_secret" not in errors


@pytest.mark.processes
def test_serve_takes_agents_faults_and_expiry(tmp_path: Path) -> None:
    """All at once: the agent answers, the fault happens, the key is refused."""
    (tmp_path / "scout.json").write_text('{"output_text": "Found.", "structured_response": {"candidates": []}}')
    agent_and_fault = ("--agent", "scout=scout.json", "--fault", "status=503,times=1,route=GET /v1/tenant")
    keys = ("--api-key", "lmn_a", "--tenant", "acme=lmn_b", "--key-expires", "lmn_b=2001-01-01")
    with served(*agent_and_fault, *keys, folder=tmp_path) as (base_url, _):
        headers = {"x-api-key": "lmn_a"}
        assert [httpx.get(f"{base_url}/v1/tenant", headers=headers).status_code for _ in range(2)] == [503, 200]
        with Client("lmn_a", base_url=base_url, user_id="u") as client:
            assert client.invoke("Anybody?", specialized_agent="scout").structured_response == {"candidates": []}
            with pytest.raises(RunFailedError, match="AGENT_NOT_AVAILABLE"):
                client.invoke("Anybody?", specialized_agent="other")
        with Client("lmn_b", base_url=base_url, user_id="u") as client, pytest.raises(AuthenticationError):
            client.invoke("Hello")
