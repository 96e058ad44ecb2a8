"""Other processes that a measurement needs: services, and programs that are measured from their start."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent.parent
_SERVER = """
import sys
from lumnisai_core.local import LocalLumnis, Script, ScriptedEngine, Step
steps = [Step(str(number), after=float(sys.argv[4])) for number in range(int(sys.argv[3]))]
engine = ScriptedEngine(Script(steps, output_text="done", after=float(sys.argv[1])))
ready = lambda base_url, api_key: print(base_url, api_key, flush=True)
LocalLumnis(engine=engine, poll=sys.argv[2]).serve_forever(ready)
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A service in another process, so that its work does not count as the client's."""

    base_url: str
    api_key: str


@contextmanager
def server(
    *, run_seconds: float, poll: str = "end-only", steps: int = 0, step_seconds: float = 0.0
) -> Iterator[Server]:
    """Serve runs of this duration, after so many steps of that duration."""
    with _started("-c", _SERVER, str(run_seconds), poll, str(steps), str(step_seconds)) as line:
        base_url, api_key = line.split()
        yield Server(base_url, api_key)


@contextmanager
def endpoint(run_seconds: float = 0.0) -> Iterator[str]:
    """Serve the lean endpoint and offer its address."""
    with _started("-m", "tests.benchmarks.endpoint", str(run_seconds)) as base_url:
        yield base_url


def numbers_of(module: str, *arguments: object, python: str = sys.executable) -> list[float]:
    """Run a program of this folder to its end, with this Python, and return the numbers that it prints as JSON."""
    numbers: list[float] = _printed("-m", f"tests.benchmarks.{module}", *map(str, arguments), python=python)
    return numbers


def columns_of(module: str, *arguments: object) -> list[list[float]]:
    """Do the same with a program that prints several numbers for each round, and return these number by number."""
    rounds: list[list[float]] = _printed("-m", f"tests.benchmarks.{module}", *map(str, arguments))
    return [list(column) for column in zip(*rounds, strict=True)]


def rounds_from(module: str, *arguments: object) -> list[dict[str, float]]:
    """Do the same with a program that prints numbers by name, for each round."""
    rounds: list[dict[str, float]] = _printed("-m", f"tests.benchmarks.{module}", *map(str, arguments))
    return rounds


def numbers_of_code(code: str, compiled: Path) -> list[float]:
    """Run code in a fresh interpreter and return the numbers that it prints as JSON.

    Args:
        code: The program.
        compiled: Folder for compiled modules, which the first run fills, wherever else they may be written or not.
    """
    numbers: list[float] = _printed("-c", code, PYTHONDONTWRITEBYTECODE="", PYTHONPYCACHEPREFIX=str(compiled))
    return numbers


def allow_many_connections() -> None:
    """Let this process have as many open connections as the system permits."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def memory_now(*, private: bool = False) -> float:
    """Return the memory in kilobytes that this process has; where the system does not tell, the most it has had.

    Args:
        private: Whether to leave out what it shares with other processes, such as the object store of Ray.
    """
    told = Path("/proc/self/statm")
    if not told.exists():
        return most_memory()
    pages, shared = map(int, told.read_text().split()[1:3])
    return (pages - shared * private) * resource.getpagesize() / 1024


def most_memory() -> float:
    """Return the most memory in kilobytes that this process has had."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1024 if sys.platform == "darwin" else float(most)


def _printed(*arguments: str, python: str = sys.executable, **environment: str) -> Any:
    command, settings = [python, *arguments], _environment() | environment
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=_ROOT, env=settings)
    if done.returncode:
        raise RuntimeError(f"A measured program failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])  # other packages may print, too


@contextmanager
def _started(*arguments: str) -> Iterator[str]:
    """Start Python in a process of its own and offer the first line it prints."""
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, text=True, cwd=_ROOT, env=_environment()
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _environment() -> dict[str, str]:
    # Settings of whoever measures must not make one run differ from the next.
    return {name: value for name, value in os.environ.items() if not name.startswith(("LUMNISAI_", "LANGSMITH_"))}
