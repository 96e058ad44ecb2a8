"""`lumnis openai`: the same endpoint in front of a platform that is reached by a client."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from lumnisai_core import AsyncClient
from lumnisai_core.local import Fault, LocalLumnis, OpenAIProxy
from lumnisai_integrations._commands.openai import PlatformRuns
from tests.openai import test_chat, test_responses
from tests.openai.engine import LONG, Act, Stage
from tests.test_cli import LUMNIS

KEY = "lmn_of_the_proxy"


@pytest.fixture(scope="module")
def platform(stage: Stage) -> Iterator[LocalLumnis]:
    """A service that stands for the platform; it answers held polls at the end of runs only."""
    with LocalLumnis(engine=stage) as service:
        yield service


@pytest.fixture(scope="module")
def proxy(platform: LocalLumnis) -> Iterator[OpenAIProxy]:
    """A proxy in front of it."""
    client = AsyncClient(platform.api_key, base_url=platform.base_url, scope="tenant")
    with OpenAIProxy(PlatformRuns(client), api_key=KEY, agents=["scribe"]) as made:
        yield made


@pytest.fixture
def client(proxy: OpenAIProxy, stage: Stage) -> Iterator[openai.OpenAI]:
    """The client of OpenAI, which knows the key of the proxy only."""
    stage.clear()
    with openai.OpenAI(api_key=proxy.api_key, base_url=proxy.base_url) as made:
        yield made


@pytest.fixture
def local(platform: LocalLumnis) -> LocalLumnis:
    """The platform, for tests that look at it."""
    return platform


#: Tests of the endpoint that hold here as they are.
test_text_streams = test_chat.test_text_streams_while_it_is_written
test_tools = test_chat.test_tools_both_ways
test_parsing = test_chat.test_a_structured_answer_is_parsed
test_users = test_chat.test_the_user_has_threads_of_its_own
test_threads = test_chat.test_a_thread_is_continued
test_failures = test_chat.test_a_failed_run_is_an_error_without_a_retry
test_continuing = test_responses.test_a_response_is_continued
test_branching = test_responses.test_an_older_response_branches_off
test_conversations = test_responses.test_a_conversation_is_a_thread
test_events = test_responses.test_events_stream_while_it_is_written
test_background = test_responses.test_background
test_cancel = test_responses.test_cancel


def test_who_closes_a_stream_stops_the_run(client: openai.OpenAI, stage: Stage) -> None:
    """Through the proxy, on the platform."""
    act = Act(pieces=["High ", "at noon."], waits=True)
    stage.play(act)
    with client.responses.create(model="lumnis", input="Tide?", stream=True) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                break
    assert act.cancelled.wait(LONG)


def test_keys_are_apart(platform: LocalLumnis, proxy: OpenAIProxy) -> None:
    """The platform's key opens nothing here, and is not in any text."""
    with openai.OpenAI(api_key=platform.api_key, base_url=proxy.base_url) as stranger:
        with pytest.raises(openai.AuthenticationError) as error:
            stranger.models.list()
    assert error.value.code == "invalid_api_key"
    assert platform.api_key not in f"{error.value} {proxy!r}"
    assert KEY not in repr(proxy)


def test_a_key_that_the_platform_refuses(platform: LocalLumnis) -> None:
    """Is the proxy's own trouble: its client is not told that its key is wrong."""
    backend = PlatformRuns(AsyncClient("wrong", base_url=platform.base_url, scope="tenant"))
    with OpenAIProxy(backend) as made:
        with openai.OpenAI(api_key=made.api_key, base_url=made.base_url, max_retries=0) as client:
            with pytest.raises(openai.InternalServerError, match="key of this proxy"):
                test_chat.ask(client)


def test_one_run_although_answers_are_lost_on_both_ways(stage: Stage) -> None:
    """The client tries the platform again with the same key, and OpenAI's client the proxy."""
    stage.clear()
    faults = [Fault("POST /v1/responses", reset="after", times=1)]
    with LocalLumnis(engine=stage, faults=faults) as platform:
        backend = PlatformRuns(AsyncClient(platform.api_key, base_url=platform.base_url, scope="tenant", max_retries=0))
        with OpenAIProxy(backend) as made:
            with openai.OpenAI(api_key=made.api_key, base_url=made.base_url) as client:
                assert test_chat.ask(client).choices[0].message.content == "High at noon."
    assert len(stage.requests) == 1


@pytest.mark.processes
def test_the_command(platform: LocalLumnis, stage: Stage, tmp_path: Path) -> None:
    """It keeps the key of its clients in a file, shows no key, and stops with SIGTERM."""
    stage.clear()
    file = tmp_path / "client.key"
    options = ["--base-url", platform.base_url, "--client-key-file", str(file), "--port", "0", "--agent", "scribe"]
    environment = {**os.environ, "LUMNISAI_API_KEY": platform.api_key}
    process = subprocess.Popen(
        [*LUMNIS, "openai", *options], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines = [next(process.stdout) for _ in range(4)]
    key, base_url = file.read_text().strip(), lines[1].partition("=")[2].strip()
    with openai.OpenAI(api_key=key, base_url=base_url) as client:
        assert [model.id for model in client.models.list()] == ["lumnis", "scribe"]
        assert test_chat.ask(client).choices[0].message.content == "High at noon."
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=LONG)
    assert (process.returncode, errors) == (0, "")
    assert platform.api_key not in "".join(lines)
    assert key not in "".join(lines)
