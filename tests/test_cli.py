"""`lumnis serve`, in processes of its own and through its entry point."""

from __future__ import annotations

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

LUMNIS = [sys.executable, "-m", "lumnisai_integrations.cli"]


@pytest.mark.processes
def test_serve_answers_until_it_is_stopped(tmp_path: Path) -> None:
    """It prints what a client needs, keeps its data in the file, and ends with status 0."""
    command = [*LUMNIS, "serve", "--port", "0", "--path", str(tmp_path / "l.db"), "--api-key", "lmn_mine", "--quiet"]
    for expected in (0, 1):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        base_url = process.stdout.readline().split()[-1]
        with Client("lmn_mine", base_url=base_url, user_id="u") as client:
            assert client.list_responses().total == expected
            client.invoke("Hello")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, "")


@contextmanager
def served(*arguments: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Run ``lumnis serve``; return the address and all that it printed."""
    command = [*LUMNIS, "serve", "--port", "0", "--quiet", *arguments]
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
        _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.processes
def test_serve_hands_out_the_variables_of_all_platforms(tmp_path: Path) -> None:
    """A shell has all of them from a file of its owner's, also keys with special characters; no log shows a key."""
    file = tmp_path / "lumnis.env"
    file.write_text("OLD=1")
    file.chmod(0o644)
    with served("--api-key", "lmn $mine'", "--env-file", str(file), folder=tmp_path) as (base_url, printed):
        shell = subprocess.run(
            ["sh", "-c", "set -a; . ./lumnis.env; env"], capture_output=True, text=True, check=True, cwd=tmp_path
        )
    found = dict(line.split("=", 1) for line in shell.stdout.splitlines())
    with LocalLumnis() as local:
        names = local.environment().keys()
    assert file.stat().st_mode & 0o777 == 0o600
    assert "OLD" not in found
    assert names <= found.keys()
    assert (found["LUMNISAI_API_KEY"], found["LUCIDIC_API_KEY"]) == ("lmn $mine'", "lmn $mine'")
    assert (found["LIMINAL_API_SERVER_URL"], found["LUCIDIC_BASE_URL"]) == (
        f"{base_url}/liminal",
        f"{base_url}/lucidic",
    )
    keys = {name for name in names if name.endswith(("_KEY", "_TOKEN"))}
    assert all(found[name] not in printed for name in keys)
    assert all(f"export {name}={found[name]}" in printed for name in names - keys)


ENGINES = """
from lumnisai_core.local import RunResult

class Loud:
    async def run(self, request, report):
        return RunResult(request.input_messages[-1].content.upper())

loud = Loud()

def broken():
    raise RuntimeError("no model here")
"""


@pytest.mark.processes
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


@pytest.mark.processes
def test_serve_serves_several_tenants(tmp_path: Path) -> None:
    """Each by its keys, none of which is printed."""
    tenants = ("--tenant", "acme=lmn_a", "--tenant", "globex=lmn_b", "--tenant", "acme=lmn_c")
    with served(*tenants, folder=tmp_path) as (base_url, printed):
        assert "lmn_" not in printed
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
        (["--engine", "engines:__name__"], "is not an engine but str"),
        (["--engine", "unready:engine"], "unready needs the module no_such_module"),
        (["--engine", "faulty:engine"], "faulty cannot be imported: ZeroDivisionError"),
        (["--tenant", "a=lmn_k", "--tenant", "b=lmn_k"], "must not share a key"),
        (["--path", "engines.py"], "engines.py cannot be opened as a database"),
    ],
)
def test_serve_says_what_is_wrong_with_its_options(
    tmp_path: Path,
    arguments: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Status 1, one line, no traceback, and never a key."""
    (tmp_path / "engines.py").write_text(ENGINES)
    (tmp_path / "unready.py").write_text("import no_such_module")
    (tmp_path / "faulty.py").write_text("1 / 0")
    (tmp_path / "wrong.json").write_text('{"step": 1}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "engines", raising=False)
    assert main(["serve", "--port", "0", *arguments]) == 1
    monkeypatch.delitem(sys.modules, "engines", raising=False)
    out, errors = capsys.readouterr()
    assert (out, errors.count("\n")) == ("", 1)
    assert words in errors
    assert "lmn_k" not in errors
