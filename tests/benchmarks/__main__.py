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

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.langchain import ChatLumnis
from lumnisai_integrations.llama_index import LumnisLLM

RUN_SECONDS = 0.2
_SERVER = """
import sys
from lumnisai_core.local import LocalLumnis, Script, ScriptedEngine
engine = ScriptedEngine(Script(output_text="done", after=float(sys.argv[1])))
ready = lambda base_url, api_key: print(base_url, api_key, flush=True)
LocalLumnis(engine=engine, poll=sys.argv[2]).serve_forever(ready)
"""


@dataclass(frozen=True)
class Server:
    """A service in another process."""

    base_url: str
    api_key: str


@contextmanager
def server(*, run_seconds: float, poll: str = "end-only") -> Iterator[Server]:
    """Serve runs of this duration."""
    command = [sys.executable, "-c", _SERVER, str(run_seconds), poll]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        base_url, api_key = process.stdout.readline().split()
        yield Server(base_url, api_key)
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
    code = f"import time; {before}; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
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
    cost = calls()
    core = cost["Client.invoke"]
    table.add_row("Client.invoke over two raw httpx calls", f"{core / cost['two raw httpx calls']:.2f}x", "1.25x")
    table.add_row("ChatLumnis.invoke over Client.invoke", f"{cost['ChatLumnis.invoke'] / core:.2f}x", "1.3x")
    table.add_row("LumnisLLM.complete over Client.invoke", f"{cost['LumnisLLM.complete'] / core:.2f}x", "1.3x")
    table.add_row("first request to a fresh LocalLumnis()", f"{1000 * seconds(first_request, 10):.0f} ms", "200 ms")
    own = import_seconds("import lumnisai_core", before="import httpx; from pydantic import BaseModel")
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
