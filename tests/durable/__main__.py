"""Prints what killed graphs cost: model calls made beside the calls that they need, with ChatLumnis and ChatOpenAI."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis, RunReport, RunRequest, RunResult
from lumnisai_integrations.langchain import ChatLumnis
from tests.durable.kills import CALLS, reply, right_answer, run_trials

KILLS = 50
SECONDS_OF_A_CALL = 0.15


class Service(NamedTuple):
    """A model, and how many calls its service has answered."""

    model: BaseChatModel
    calls: Callable[[], int]


class Answers:
    """Answers each question right, after a while."""

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        await asyncio.sleep(SECONDS_OF_A_CALL)
        return RunResult(output_text=reply(request.input_messages[-1].content))


@contextmanager
def lumnis() -> Iterator[Service]:
    """Serve agents."""
    with (
        LocalLumnis(engine=Answers()) as local,
        Client(local.api_key, base_url=local.base_url, user_id="u") as client,
    ):
        model = ChatLumnis(api_key=local.api_key, base_url=local.base_url, user_id="u")
        yield Service(model, lambda: client.list_responses().total)


class QuietServer(ThreadingHTTPServer):
    """Says nothing of clients that were killed."""

    def handle_error(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def openai() -> Iterator[Service]:
    """Serve chat completions."""
    calls: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        """Answers each question right, after a while."""

        def do_POST(self) -> None:
            """Answer."""
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            question = body["messages"][-1]["content"]
            calls.append(question)
            time.sleep(SECONDS_OF_A_CALL)
            message = {"role": "assistant", "content": reply(question)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            answer = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
            written = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = QuietServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    yield Service(ChatOpenAI(model="m", api_key="none", base_url=url), lambda: len(calls))
    server.shutdown()


def main() -> int:
    """Measure and print."""
    sys.stdout.write("| Model | Processes killed | Graphs | Calls needed | Calls made | Right answers |\n")
    sys.stdout.write("| --- | --- | --- | --- | --- | --- |\n")
    for name, serve in (("ChatLumnis", lumnis), ("ChatOpenAI", openai)):
        with serve() as (model, calls), tempfile.TemporaryDirectory() as folder:

            def make(model: BaseChatModel = model) -> Callable[[str], str]:
                return lambda question: str(model.invoke(question).content)

            trials = run_trials(make, Path(folder), KILLS)
            right = sum(trial.answer == right_answer(trial.name) for trial in trials)
            counts = (sum(trial.kills for trial in trials), len(trials), CALLS * len(trials), calls(), right)
        sys.stdout.write(f"| `{name}` | {' | '.join(map(str, counts))} |\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
