"""The server in processes of its own and over sockets: standard input and output, HTTP, its key and its checks."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.client.client import Client as McpClient
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from lumnisai_core import Client
from lumnisai_core.exceptions import ConfigurationError
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.cli import main
from tests.conftest import Serve
from tests.mcp.conftest import USER, over_http, text_of
from tests.servers import EndlessEngine

COMMAND = [sys.executable, "-m", "lumnisai_integrations.cli", "mcp"]
QUESTION = {"question": "Neap tides are small. Which tides are small?"}
HELLO: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
ACCEPT = {"accept": "application/json, text/event-stream"}


def environment(local: LocalLumnis) -> dict[str, str]:
    known = {"LUMNISAI_API_KEY": local.api_key, "LUMNISAI_BASE_URL": local.base_url, "LUMNISAI_USER_ID": USER}
    return {**os.environ, **known}


@pytest.mark.processes
async def test_a_client_over_standard_input_and_output(local: LocalLumnis) -> None:
    """As desktop apps start it, with key and user in the environment."""
    started = StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=environment(local))
    async with McpClient(stdio_client(started)) as mcp:
        asked = await mcp.call_tool("ask", QUESTION)
        listed = await mcp.list_resources()
    assert asked.structured_content["answer"] == "Neap tides are small."
    assert listed.resources == []


def speaking(local: LocalLumnis) -> subprocess.Popen[str]:
    """Start a server and ask it a question that is never answered; return once the run works."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(COMMAND, env=environment(local), stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    ask = {"name": "ask", "arguments": QUESTION, "_meta": {"progressToken": "p"}}
    messages = [
        HELLO,
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": ask},
    ]
    process.stdin.write("not JSON\n" + "".join(f"{json.dumps(message)}\n" for message in messages))
    process.stdin.flush()
    assert any("Working." in line for line in iter(process.stdout.readline, ""))
    return process


@pytest.mark.processes
@pytest.mark.parametrize("leave", ["close", "SIGTERM"])
def test_a_client_that_leaves_stops_its_question(leave: str, serve: Serve) -> None:
    """It closes the input, or ends the process: the exit status is 0, and the run does not go on for nobody."""
    local = serve(EndlessEngine(), poll="on-change")
    process = speaking(local)
    if leave != "close":
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=120)  # although its input is open
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert local.api_key not in errors
    with Client(local.api_key, base_url=local.base_url, user_id=USER) as client:
        (run,) = client.list_responses().responses
        assert client.get_response(run.response_id, wait=10).status == "cancelled"


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_client_over_http(mode: str, local: LocalLumnis) -> None:
    """Both generations of the protocol, several clients at once, progress in the stream."""
    steps: list[str | None] = []

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append(message)

    async def ask(url: str) -> str:
        async with McpClient(streamable_http_client(url), mode=mode) as mcp:
            return text_of(await mcp.call_tool("ask", QUESTION, progress_callback=progress))

    async with over_http(local) as url:
        answers = await asyncio.gather(*(ask(url) for _ in range(3)))
    assert all(answer.startswith("Neap tides are small.") for answer in answers)
    assert "PROCESSING: Thinking about the request." in steps


async def test_a_page_in_a_browser_cannot_reach_a_server_on_loopback(local: LocalLumnis) -> None:
    """A name that was bound to 127.0.0.1, and scripts of another origin, are refused."""
    async with over_http(local) as url, httpx.AsyncClient() as http:
        statuses = [
            (await http.post(url, json=HELLO, headers={**ACCEPT, **headers})).status_code
            for headers in ({}, {"host": "evil.example"}, {"origin": "http://evil.example"}, {"host": "localhost:9"})
        ]
    assert statuses == [200, 421, 403, 200]


async def test_a_key_is_needed_where_one_is_set(local: LocalLumnis) -> None:
    """Wrong and missing ones are refused before anything is read."""
    async with over_http(local, key="mcp-key") as url, httpx.AsyncClient() as http:
        for key, status in [(None, 401), ("wrong", 401), ("mcp-këy", 401), ("mcp-key", 200)]:
            sent = {} if key is None else {b"authorization": f"Bearer {key}".encode()}
            known = {name.encode(): value.encode() for name, value in ACCEPT.items()}
            reply = await http.post(url, json=HELLO, headers={**known, **sent})
            assert reply.status_code == status
            assert "mcp-key" not in reply.text


async def test_another_address_needs_a_key(local: LocalLumnis) -> None:
    """Before anything listens."""
    with pytest.raises(ConfigurationError, match=r"0\.0\.0\.0 could run agents with your key"):
        async with over_http(local, host="0.0.0.0"):
            pass
    async with over_http(local, host="0.0.0.0", key="mcp-key") as url, httpx.AsyncClient() as http:
        address = url.replace("0.0.0.0", "127.0.0.1")
        reply = await http.post(address, json=HELLO, headers={**ACCEPT, "authorization": "Bearer mcp-key"})
        assert reply.status_code == 200


@pytest.mark.processes
def test_the_command_serves_by_http(local: LocalLumnis, tmp_path: Path) -> None:
    """It writes a key of its own that only its owner may read, never shows it, and ends with Ctrl-C."""
    key_file = tmp_path / "mcp.key"
    command = [*COMMAND, "--http", "--port", "0", "--host", "0.0.0.0", "--key-file", str(key_file)]
    process = subprocess.Popen(
        command, env=environment(local), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    printed = next(line for line in iter(process.stderr.readline, "") if "listening at" in line)
    url = (
        next(word for word in printed.split() if word.startswith("http://")).rstrip(".").replace("0.0.0.0", "127.0.0.1")
    )
    key = key_file.read_text().strip()
    assert key_file.stat().st_mode & 0o077 == 0
    reply = httpx.post(url, json=HELLO, headers={**ACCEPT, "authorization": f"Bearer {key}"})
    assert reply.status_code == 200
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=120)
    assert (process.returncode, out, "Traceback" in errors) == (0, "", False)
    assert key not in printed + errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--key-file", "mcp.key"], "--key-file is for HTTP: add --http"),
        (["--http", "--host", "0.0.0.0"], "set a key that clients must send"),
        (["--http", "--host", "300.0.0.1", "--key-file", "mcp.key"], "Cannot listen on 300.0.0.1"),
        (["--answer-within", "0"], "must be a number from 0.1 to 3600"),
        (["--base-url", "http://127.0.0.1:9"], "no API key"),
    ],
)
def test_wrong_usage_is_status_2(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In words, on standard error."""
    monkeypatch.chdir(tmp_path)
    try:
        status: Any = main(["mcp", *arguments])
    except SystemExit as error:
        status = error.code
    out, errors = capsys.readouterr()
    assert (status, out) == (2, "")
    assert words in errors


@pytest.mark.processes
def test_without_the_package_the_extra_is_named() -> None:
    """In one line, with status 1."""
    program = (
        "import sys; sys.modules['mcp'] = None; from lumnisai_integrations.cli import main; sys.exit(main(['mcp']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert 'pip install "lumnisai-integrations[mcp]"' in done.stderr
