"""The container of the embedded service, read and tried without a builder."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import pytest

from lumnisai_core.local import LocalLumnis
from tests.test_cli import LUMNIS

ROOT = Path(__file__).parents[1]
TEXT = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text("utf-8"))
STEPS = [line.split(maxsplit=1) for line in TEXT.splitlines() if line and not line.startswith("#")]
STAGE = STEPS[next(place for place, (step, _) in enumerate(STEPS) if place and step == "FROM") :]


def _step(name: str) -> str:
    (found,) = [rest for step, rest in STAGE if step == name]
    return found


def test_what_it_copies_is_there_and_not_ignored() -> None:
    """The build sees nothing else: no key, no database, no history."""
    copied = [
        name for step, rest in STEPS if step == "COPY" and "--from" not in rest for name in shlex.split(rest)[:-1]
    ]
    allowed = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE)
    assert sorted(copied) == sorted(allowed)
    assert not [name for name in copied if not (ROOT / name).exists()]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert set(settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= set(copied)
    assert {settings["project"]["readme"], *settings["project"]["license-files"]} <= set(copied)


def test_every_installation_checks_hashes() -> None:
    """Those of pip and of uv, but for the package itself, whose build tools are locked."""
    commands = [part for step, rest in STEPS if step == "RUN" for part in rest.split("&&") if " install " in part]
    installs = [part for part in commands if "pip" in part]
    assert len(installs) == 3
    for command in installs:
        assert "--require-hashes" in command or ("--no-deps" in command and "--build-constraint" in command), command
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    (named,) = re.findall(r'^ARG EXTRAS="(.*)"$', TEXT, re.MULTILINE)
    assert set(named.split()) <= extras.keys()


@pytest.mark.processes
def test_it_runs_as_a_user_and_keeps_its_data_in_a_volume() -> None:
    """Its command is one that `lumnis serve` takes, and its database and key are in the volume."""
    assert _step("USER") not in ("root", "0")
    command = json.loads(_step("ENTRYPOINT"))
    assert command[:2] == ["lumnis", "serve"]
    assert all(
        command[command.index(name) + 1].startswith(f"{_step('VOLUME')}/") for name in ("--path", "--api-key-file")
    )
    parsed = subprocess.run([*LUMNIS, *command[1:], "--help"], capture_output=True, text=True, check=True)
    assert all(name in parsed.stdout for name in command if name.startswith("--"))
    assert f"(default: {_step('EXPOSE')})" in re.sub(r"\s+", " ", parsed.stdout) or _step("EXPOSE") in parsed.stdout


@pytest.mark.processes
def test_the_command_of_the_unit_is_one_that_serve_takes() -> None:
    """That of the systemd unit in the documents, and the further options of the container there."""
    page = re.sub(r"\\\n", " ", (ROOT / "docs" / "serving.md").read_text("utf-8"))
    commands = [*re.findall(r"^ExecStart=\S+/lumnis (serve .*)$", page, re.MULTILINE)]
    commands += [f"serve {rest}" for rest in re.findall(r"docker run .* lumnis (--.*)$", page, re.MULTILINE)]
    assert len(commands) == 3
    for command in commands:
        subprocess.run([*LUMNIS, *shlex.split(command), "--help"], capture_output=True, check=True)


@pytest.mark.processes
def test_the_health_check_tells_a_service_from_none() -> None:
    """The very command, but for the port."""
    (check,) = re.findall(r"CMD (\[.*\])", _step("HEALTHCHECK"))
    name, *arguments = ast.literal_eval(re.sub(r"\s{2,}", " ", check))
    assert name == "python"
    with LocalLumnis() as local:
        port = str(httpx.URL(local.base_url).port)
        command = [sys.executable, *(part.replace("8787", port) for part in arguments)]
        assert subprocess.run(command, check=False, timeout=120).returncode == 0
    assert subprocess.run(command, capture_output=True, check=False, timeout=120).returncode != 0
