"""What calls cost, as ratios measured in one run: ``make bench``.

The service runs in a process of its own, so that its work does not count as the client's.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from rich.console import Console
from rich.table import Table

from lumnisai_core import Client, RunUpdate
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.langchain import ChatLumnis
from lumnisai_integrations.llama_index import LumnisLLM

RUN_SECONDS = 0.2
_SERVER = """
import sys
from lumnisai_core.local import LocalLumnis, Script, ScriptedEngine, Step
steps = [Step(str(number), after=0.37) for number in range(int(sys.argv[3]))]
engine = ScriptedEngine(Script(steps, output_text="done", after=float(sys.argv[1])))
ready = lambda base_url, api_key: print(base_url, api_key, flush=True)
LocalLumnis(engine=engine, poll=sys.argv[2]).serve_forever(ready)
"""


_MANY = """
import asyncio, pathlib, re, sys, time
from lumnisai_core import AsyncClient

def most_memory():
    return int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])

async def main(base_url, count):
    async with AsyncClient("key", base_url=base_url, user_id="u") as client:
        before = most_memory()
        started = time.perf_counter()
        await asyncio.gather(*(client.invoke("Hi") for _ in range(count)))
        taken = time.perf_counter() - started
        print(taken, (most_memory() - before) / count)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


#: httpx and pydantic as any program with a model has them; much of pydantic is imported only when it is used.
_IN_USE = """import httpx
from pydantic import AfterValidator, BaseModel, Field, SecretStr, TypeAdapter, model_validator
class Used(BaseModel):
    text: str = Field(default="")
"""


@dataclass(frozen=True)
class Server:
    """A service in another process."""

    base_url: str
    api_key: str


@contextmanager
def server(*, run_seconds: float, poll: str = "end-only", steps: int = 0) -> Iterator[Server]:
    """Serve runs of this duration, after so many steps of 0.37 s."""
    with started("-c", _SERVER, str(run_seconds), poll, str(steps)) as line:
        base_url, api_key = line.split()
        yield Server(base_url, api_key)


@contextmanager
def started(*arguments: str) -> Iterator[str]:
    """Start Python in a process of its own and offer the first line it prints."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def seconds(action: Callable[[], object], times: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the median duration of an action after a few tries that do not count."""
    taken = []
    for attempt in range(times + 3):
        started = clock()
        action()
        if attempt >= 3:
            taken.append(clock() - started)
    return statistics.median(taken)


def import_seconds(statement: str, before: str = "pass") -> float:
    """Return how long a fresh interpreter takes for an import, after others that do not count."""
    code = f"import time\n{before}\nt = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    ]
    return statistics.median(times)


def first_request() -> None:
    """Make a service, ask it something, close it."""
    with LocalLumnis() as local, httpx.Client(trust_env=False) as http:
        http.get(local.base_url + "/v1/health").raise_for_status()


def latency(poll: str) -> float:
    """Return seconds that a run of 0.2 s takes longer than itself."""
    with (
        server(run_seconds=RUN_SECONDS, poll=poll) as service,
        Client(service.api_key, base_url=service.base_url, user_id="u") as client,
    ):
        return seconds(lambda: client.invoke("Hi"), 30) - RUN_SECONDS


def progress_delay() -> float:
    """Return the mean seconds from a progress entry's own time until a listener has it, server answering at the end."""
    delays = []

    def heard(update: RunUpdate) -> None:
        if update.entry_index is not None and update.ts is not None:
            delays.append(time.time() - update.ts.timestamp())

    with (
        server(run_seconds=RUN_SECONDS, steps=20) as service,
        Client(service.api_key, base_url=service.base_url, user_id="u") as client,
    ):
        client.invoke("Hi", on_progress=heard)
    return statistics.mean(delays)


def many_runs(count: int) -> tuple[float, float]:
    """Return seconds for so many runs of 3 s at once in a fresh process, and its kilobytes for each."""
    with (
        started("-m", "tests.benchmarks.endpoint", "3") as base_url,
        started("-c", _MANY, base_url, str(count)) as line,
    ):
        seconds_taken, kilobytes = line.split()
        return float(seconds_taken), float(kilobytes)


def calls() -> dict[str, float]:
    """Return processor seconds of one whole call, by who makes it."""
    with server(run_seconds=0.0) as service:
        raw = httpx.Client(headers={"Authorization": f"Bearer {service.api_key}"}, trust_env=False)
        body = {"messages": [{"role": "user", "content": "Hi"}], "user_id": "u"}

        def two_calls() -> None:
            created = raw.post(service.base_url + "/v1/responses", json=body).json()
            raw.get(service.base_url + f"/v1/responses/{created['response_id']}", params={"wait": 10}).json()

        client = Client(service.api_key, base_url=service.base_url, user_id="u")
        chat = ChatLumnis(api_key=service.api_key, base_url=service.base_url, user_id="u")
        llm = LumnisLLM(api_key=service.api_key, base_url=service.base_url, user_id="u")
        measured = {
            "two raw httpx calls": two_calls,
            "Client.invoke": lambda: client.invoke("Hi"),
            "ChatLumnis.invoke": lambda: chat.invoke("Hi"),
            "LumnisLLM.complete": lambda: llm.complete("Hi"),
        }
        # Taking turns lets a slow second of the machine hit all of them alike.
        rounds = [{name: seconds(action, 40, time.process_time) for name, action in measured.items()} for _ in range(5)]
        for closing in (raw, client, chat, llm):
            closing.close()
    return {name: statistics.median(one[name] for one in rounds) for name in measured}


def main() -> None:
    """Measure everything and print one table."""
    table = Table("What", "Measured", "Target", title="Lumnis integrations")
    for poll in ("end-only", "on-change"):
        table.add_row(f"invoke over a run of 0.2 s, server {poll}", f"+{1000 * latency(poll):.1f} ms", "+15 ms")
    table.add_row("mean delay of progress, server end-only", f"{progress_delay():.2f} s", "0.6 s")
    for count, target in ((500, "3.5 s"), (5000, "6 s, 60 KB")):
        taken, kilobytes = many_runs(count)
        table.add_row(f"{count} runs of 3 s at once", f"{taken:.2f} s, {kilobytes:.0f} KB each", target)
    cost = calls()
    core = cost["Client.invoke"]
    table.add_row("Client.invoke over two raw httpx calls", f"{core / cost['two raw httpx calls']:.2f}x", "1.25x")
    table.add_row("ChatLumnis.invoke over Client.invoke", f"{cost['ChatLumnis.invoke'] / core:.2f}x", "1.3x")
    table.add_row("LumnisLLM.complete over Client.invoke", f"{cost['LumnisLLM.complete'] / core:.2f}x", "1.3x")
    table.add_row("first request to a fresh LocalLumnis()", f"{1000 * seconds(first_request, 10):.0f} ms", "200 ms")
    own = import_seconds("import lumnisai_core", before=_IN_USE)
    table.add_row("import lumnisai_core over httpx and pydantic", f"+{1000 * own:.0f} ms", "+30 ms")
    for adapter, framework in (
        ("lumnisai_integrations.langchain", "import langchain_core.language_models.chat_models"),
        ("lumnisai_integrations.llama_index", "import llama_index.core"),
    ):
        name = "ChatLumnis" if "langchain" in adapter else "LumnisLLM"
        own = import_seconds(f"from {adapter} import {name}", before=framework)
        table.add_row(f"import {name} over its framework", f"+{1000 * own:.0f} ms", "+50 ms")
    Console().print(table)


if __name__ == "__main__":
    main()
