"""Log of `lumnis serve`: a line for each request and run on standard error, and nothing that is secret."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from lumnisai_core import Client
from lumnisai_core.exceptions import LumnisAIError
from tests.test_cli import LUMNIS

pytestmark = pytest.mark.processes

ENGINE = "class Broken:\n    async def run(self, request, report):\n        raise KeyError('no tide table')\n"


@contextmanager
def _serving(folder: Path, *arguments: str) -> Iterator[tuple[Client, list[str], str]]:
    """Run `lumnis serve`; yield a client, the lines of standard error once the block is left, and the address."""
    command = [*LUMNIS, "serve", "--port", "0", "--api-key", "lmn_mine", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)
    assert process.stdout is not None
    base_url = process.stdout.readline().split()[-1]
    lines: list[str] = []
    try:
        with Client("lmn_mine", base_url=base_url, user_id="ann lee") as client:
            yield client, lines, base_url
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=120)
        lines += errors.splitlines()
    assert process.returncode == 0


def test_each_request_and_each_run_is_one_line(tmp_path: Path) -> None:
    """With time, route or engine, status, duration and user; without prompts, paths, queries and keys."""
    with _serving(tmp_path) as (client, lines, base_url):
        client.invoke("Neap tides are a secret.")
        client.list_responses()
        httpx.get(f"{base_url}/v1/secret-path?token=secret")
    shown = [
        re.sub(r"^\S+T\S+ ", "", re.sub(r"[0-9a-f-]{36}", "ID", re.sub(r"[\d,]+ ms", "0 ms", line))) for line in lines
    ]
    assert shown[0] == "INFO POST /v1/responses 201 0 ms user='ann lee'"
    assert "INFO run ID succeeded OfflineEngine 0 ms user=ID" in shown
    assert "INFO GET /v1/responses 200 0 ms user='ann lee'" in shown
    assert shown[-1] == "WARNING GET (no route) 404 0 ms"
    assert not [line for line in lines if "secret" in line or "lmn_mine" in line]


def test_lines_are_json_on_request(tmp_path: Path) -> None:
    """With the traceback of an engine that failed."""
    (tmp_path / "engines.py").write_text(ENGINE)
    with _serving(tmp_path, "--log-format", "json", "--engine", "engines:Broken") as (client, lines, _):
        with pytest.raises(LumnisAIError):
            client.invoke("Hello")
    found = [json.loads(line) for line in lines]
    (traceback,) = [item["traceback"] for item in found if "traceback" in item]
    assert "engines.py" in traceback
    assert "KeyError: 'no tide table'" in traceback
    (run,) = [item for item in found if "run" in item]
    assert (run["level"], run["status"], run["engine"], run["code"]) == ("WARNING", "failed", "Broken", "ENGINE_ERROR")
    assert {"time", "level", "message", "route", "status", "ms", "user"} <= found[0].keys()


def test_quiet_shows_failures_of_the_service_only(tmp_path: Path) -> None:
    """No request, no run, no refusal."""
    with _serving(tmp_path, "--quiet") as (client, lines, base_url):
        client.invoke("Hello")
        httpx.get(f"{base_url}/v1/nothing")
    assert lines == []


def test_nobody_has_to_read_the_log(tmp_path: Path) -> None:
    """A full pipe holds up neither requests nor the end of the service."""
    with (
        _serving(tmp_path) as (client, lines, base_url),
        httpx.Client(base_url=base_url, headers={"x-api-key": "lmn_mine"}) as raw,
    ):
        for number in range(700):  # of more than the 64 KB that a pipe takes
            raw.get("/v1/threads", params={"user_id": f"{number:0>100}"})
        assert client.list_responses().total == 0
    assert sum(map(len, lines)) > 65_536


def test_a_service_in_a_program_is_silent() -> None:
    """Also about refusals and runs that fail, unless the program sets up a log."""
    code = (
        "from lumnisai_core import Client\n"
        "from lumnisai_core.exceptions import LumnisAIError\n"
        "from lumnisai_core.local import LocalLumnis, Script, ScriptedEngine\n"
        "with LocalLumnis(engine=ScriptedEngine(Script(error=('X', 'y')))) as local:\n"
        "    client = Client(local.api_key, base_url=local.base_url, user_id='u')\n"
        "    for call in (lambda: client.invoke('Hello'), lambda: client.get_response('nobody')):\n"
        "        try: call()\n"
        "        except LumnisAIError: pass\n"
        "        else: raise SystemExit(1)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_engine_and_tenants_are_named_at_the_start(tmp_path: Path) -> None:
    """Their keys are shown on a terminal only."""
    command = [*LUMNIS, "serve", "--port", "0", "--quiet", "--tenant", "acme=lmn_1", "--tenant", "acme=lmn_2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert process.stdout is not None
    printed = ""
    for line in iter(process.stdout.readline, ""):
        printed += line
        if "Stop with" in line:
            break
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert "\nEngine: offline.\nTenant acme: 2 keys.\n" in printed
    assert "lmn_" not in printed
