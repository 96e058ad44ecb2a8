"""The `lumnis` command, in processes of its own and through its entry point."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
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


@pytest.mark.parametrize("arguments", [[], ["ask"], ["fly"], ["serve", "--port", "http"], ["serve", "--port", "70000"]])
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
