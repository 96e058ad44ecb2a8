"""The `lumnis` command, in processes of its own and through its entry point."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.cli import main
from tests.conftest import Serve
from tests.servers import EndlessEngine

LUMNIS = [sys.executable, "-m", "lumnisai_integrations.cli"]


def environment(local: LocalLumnis) -> dict[str, str]:
    return {**os.environ, "LUMNISAI_API_KEY": local.api_key, "LUMNISAI_BASE_URL": local.base_url}


@pytest.fixture
def tides(tmp_path: Path) -> Path:
    path = tmp_path / "tides.md"
    path.write_text("# Tides\n\nNeap tides are small. Spring tides follow the full moon. Ports publish tables.\n")
    return path


def test_ask_answers_from_files(tides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The answer alone is on standard output, progress and sources on standard error."""
    assert main(["ask", "What follows the full moon?", str(tides)]) == 0
    out, about = capsys.readouterr()
    assert "Spring tides follow the full moon." in out
    assert "embedded Lumnis service" in about
    assert "tides.md" in about
    assert "Spring tides" not in about


def test_ask_without_files_asks_the_agent(capsys: pytest.CaptureFixture[str]) -> None:
    """A question alone is a run of its own."""
    assert main(["ask", "--quiet", "Neap tides are small. Which tides are small?"]) == 0
    out, about = capsys.readouterr()
    assert "Neap tides are small." in out
    assert about == ""


def test_ask_uses_the_platform_when_there_is_a_key(
    local: LocalLumnis, tides: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """LUMNISAI_API_KEY decides where runs go."""
    monkeypatch.setenv("LUMNISAI_API_KEY", local.api_key)
    monkeypatch.setenv("LUMNISAI_BASE_URL", local.base_url)
    assert main(["ask", "What follows the full moon?", str(tides), "--user-id", "cli-user"]) == 0
    assert "the Lumnis platform" in capsys.readouterr().err
    with Client(local.api_key, base_url=local.base_url, user_id="cli-user") as client:
        assert client.list_responses().total == 1


def test_files_that_cannot_be_used_are_all_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Missing, binary, badly encoded and empty files and folders; nothing is sent and nothing is on standard output."""
    (tmp_path / "binary.bin").write_bytes(b"\x00\x01")
    (tmp_path / "latin.txt").write_bytes("Flußpegel".encode("latin-1"))
    (tmp_path / "empty.txt").write_bytes(b" \n")
    names = ["missing.txt", "binary.bin", "latin.txt", "empty.txt", "."]
    assert main(["ask", "What?", *(str(tmp_path / name) for name in names)]) == 1
    out, about = capsys.readouterr()
    assert out == ""
    for said in ("no such file", "not a text file", "not UTF-8", "is empty", "is a folder"):
        assert said in about


WRONG = [
    [],
    ["ask"],
    ["fly"],
    ["serve", "--port", "http"],
    ["serve", "--port", "70000"],
    ["serve", "--step-delay", "soon"],
    ["serve", "--step-delay", "-1"],
    ["serve", "--step-delay", "inf"],
    ["serve", "--tenant", "acme"],
    ["serve", "--tenant", "=lmn_key"],
    ["serve", "--poll", "never"],
]


@pytest.mark.parametrize("arguments", WRONG)
def test_wrong_usage_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """As command lines do."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: lumnis" in capsys.readouterr().err


def test_a_wrong_key_is_status_1_without_a_traceback(
    local: LocalLumnis, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors of the service are one message."""
    monkeypatch.setenv("LUMNISAI_API_KEY", "lmn_wrong")
    monkeypatch.setenv("LUMNISAI_BASE_URL", local.base_url)
    assert main(["ask", "Hello?"]) == 1
    assert "401" in capsys.readouterr().err


def test_ctrl_c_stops_the_run_and_is_status_130(serve: Serve, tides: Path) -> None:
    """No traceback, and the service is not left working."""
    local = serve(EndlessEngine(), poll="on-change")
    process = subprocess.Popen(
        [*LUMNIS, "ask", "What follows the full moon?", str(tides)],
        env=environment(local),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    assert any("Working." in line for line in lines)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (out, "Traceback" in errors, "Interrupted" in errors) == ("", False, True)
    with Client(local.api_key, base_url=local.base_url, scope="tenant") as client:
        (run,) = client.list_responses().responses
        assert client.get_response(run.response_id, wait=10).status == "cancelled"


def test_demo_shows_the_main_job() -> None:
    """All four parts succeed on a machine without an account."""
    done = subprocess.run([*LUMNIS, "demo"], capture_output=True, text=True, env=os.environ, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    for part in ("prompt | ChatLumnis | parser", "same thread", "with_structured_output", "query engine"):
        assert part in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_serve_answers_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """It prints what a client needs, keeps its data in the file, and ends with status 0."""
    command = [*LUMNIS, "serve", "--port", "0", "--path", str(tmp_path / "l.db"), "--api-key", "lmn_mine"]
    for expected in (0, 1):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        base_url = process.stdout.readline().split()[-1]
        with Client("lmn_mine", base_url=base_url, user_id="u") as client:
            assert client.list_responses().total == expected
            client.invoke("Hello")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")


@contextmanager
def served(*arguments: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Run ``lumnis serve``; return the address and all that it printed."""
    command = [*LUMNIS, "serve", "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)
    assert process.stdout is not None
    lines = []
    for line in iter(process.stdout.readline, ""):
        lines.append(line)
        if "Stop with" in line:
            break
    try:
        yield lines[0].split()[-1], "".join(lines)
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")


ENGINES = """
from lumnisai_core.local import RunResult

class Loud:
    async def run(self, request, report):
        return RunResult(request.input_messages[-1].content.upper())

loud = Loud()

def broken():
    raise RuntimeError("no model here")
"""


@pytest.mark.parametrize("engine", ["engines:Loud", "engines:loud", "script.json"])
def test_serve_answers_with_the_engine_that_is_named(tmp_path: Path, engine: str) -> None:
    """A class, an object of a module in the current folder, or a file of scripts."""
    (tmp_path / "engines.py").write_text(ENGINES)
    (tmp_path / "script.json").write_text('{"steps": ["Thinking."], "output_text": "HELLO"}')
    arguments = ("--engine", engine, "--poll", "on-change", "--step-delay", "0", "--api-key", "lmn_mine")
    with served(*arguments, folder=tmp_path) as (base_url, printed):
        assert f"{base_url}/ in a browser" in printed
        with Client("lmn_mine", base_url=base_url, user_id="u") as client:
            assert client.invoke("hello").output_text == "HELLO"


def test_serve_serves_several_tenants(tmp_path: Path) -> None:
    """Each by its keys; the first one is printed."""
    tenants = ("--tenant", "acme=lmn_a", "--tenant", "globex=lmn_b", "--tenant", "acme=lmn_c")
    with served(*tenants, folder=tmp_path) as (base_url, printed):
        assert "LUMNISAI_API_KEY=lmn_a" in printed
        names = []
        for key in ("lmn_a", "lmn_b", "lmn_c"):
            with Client(key, base_url=base_url, scope="tenant") as client:
                names.append(client.tenant.get().name)
    assert names == ["acme", "globex", "acme"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--engine", "nonsense"], "use offline, a script file"),
        (["--engine", "nowhere.json"], "nowhere.json: No such file"),
        (["--engine", "wrong.json"], "wrong.json: Script has no step"),
        (["--engine", "no_such_module:engine"], "there is no module no_such_module"),
        (["--engine", "engines:quiet"], "has no attribute 'quiet'"),
        (["--engine", "engines:broken"], "broken() failed: RuntimeError: no model here"),
        (["--engine", "engines:__name__"], "is str, which is no engine"),
        (["--engine", "unready:engine"], "unready needs the module no_such_module"),
        (["--engine", "faulty:engine"], "faulty cannot be imported: ZeroDivisionError"),
        (["--tenant", "a=lmn_k", "--tenant", "b=lmn_k"], "must not share a key"),
        (["--path", "engines.py"], "engines.py cannot be opened as a database"),
    ],
)
def test_serve_says_what_is_wrong_with_its_options(tmp_path: Path, arguments: list[str], words: str) -> None:
    """Status 1, one message, no traceback, and never a key."""
    (tmp_path / "engines.py").write_text(ENGINES)
    (tmp_path / "unready.py").write_text("import no_such_module")
    (tmp_path / "faulty.py").write_text("1 / 0")
    (tmp_path / "wrong.json").write_text('{"step": 1}')
    command = [*LUMNIS, "serve", "--port", "0", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "lmn_k" not in done.stderr
