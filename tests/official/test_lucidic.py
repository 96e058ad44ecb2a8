"""The official packages of Lucidic, unchanged and in environments of their own, against the embedded service."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from lumnisai_core.local import LocalLumnis
from tests.local.support import Lucidic

HERE = Path(__file__).parent
AGENT = "agt-204"
#: Where version 2 sends everything when it is in debug mode; it has no setting for another address.
DEBUG_PORT = 8000


def driven(version: int, *arguments: str, **variables: str) -> Any:
    """Run the script of a version in its environment; return what it printed last."""
    python = HERE.parents[1] / ".venv" / f"official-lucidic-{version}" / "bin" / "python"
    command = [str(python), str(HERE / f"lucidic_{version}_calls.py"), *arguments]
    environment = {**os.environ, **variables}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=55, env=environment)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.strip().splitlines()[-1])


@contextmanager
def forwarder(base_url: str) -> Iterator[None]:
    """Forward requests to the debug address of version 2."""

    class Handler(BaseHTTPRequestHandler):
        def forward(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name: self.headers[name] for name in ("authorization", "x-agent-id") if name in self.headers}
            url = base_url + self.path.removeprefix("/api")
            reply = httpx.request(self.command, url, content=content, headers=headers, timeout=30)
            self.send_response(reply.status_code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(reply.content)))
            self.end_headers()
            self.wfile.write(reply.content)

        do_GET = do_POST = do_PUT = do_DELETE = forward  # noqa: N815 - names that http.server looks for

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", DEBUG_PORT), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def tree_of(lucidic: Lucidic, session_id: str) -> dict[str, list[str]]:
    """Return the names of the events of a session by the names of their parents, sorted."""
    events = lucidic.ok("GET", f"/sessions/{session_id}/tree")["events"]
    names = {event["client_event_id"]: event["name"] for event in events}
    found: dict[str, list[str]] = {}
    for event in events:
        found.setdefault(names.get(event["client_parent_event_id"], ""), []).append(event["name"][:20])
    return {parent: sorted(children) for parent, children in found.items()}


TREE = {
    "": ["gpt", "outer", "outer", "timeout", "x" * 20],
    "outer": ["inner", "inner", "must be positive"],
    "inner": ["must be positive"],
}


def test_version_3_works() -> None:
    """Every resource, sync and async, nested decorated functions with errors, and sessions that end."""
    with LocalLumnis() as local, Lucidic(local, AGENT) as lucidic:
        local.lucidic.flags["new-ui"] = True
        found = driven(3, local.lucidic.base_url, local.lucidic.api_key, AGENT)
        first, second = found.pop("session_ids")
        assert found == {
            "prompt": ["Hi Ann", {"owner": "desk"}],
            "dataset": ["Late refunds", 1, "First"],
            "item": "a",
            "item_sessions": 1,
            "datasets": 1,
            "flags": [True, "default"],
            "event": [9, ["seen"]],
            "sessions": 3,
            "name": "Refund desk",
        }
        session = lucidic.ok("GET", f"/sessions/{first}")
        assert (session["is_finished"], session["is_successful"], session["session_eval"]) == (True, True, 0.9)
        assert [one["result"] for one in session["evaluations"]] == [0.87]
        assert (session["input_tokens"], session["output_tokens"], session["error_count"]) == (3, 2, 5)
        assert tree_of(lucidic, first) == TREE
        assert tree_of(lucidic, second) == {"": ["done", "inner", "inner"]}


def test_version_2_works_behind_its_debug_address() -> None:
    """All documented calls but those that are broken in it; large payloads come whole, by the link of their upload."""
    with LocalLumnis() as local, Lucidic(local, AGENT) as lucidic, forwarder(local.lucidic.base_url):
        local.lucidic.flags.update({"new-ui": True, "limit": 3})
        lucidic.ok("PUT", "/sdk/prompts", json={"prompt_name": "greeting", "prompt_content": "Hi {name}"})
        variables = {"LUCIDIC_API_KEY": local.lucidic.api_key, "LUCIDIC_AGENT_ID": AGENT, "LUCIDIC_DEBUG": "True"}
        found = driven(2, **variables)
        session_id = found.pop("session_id")
        assert found == {"prompt": "Hi Ann", "flags": [True, {"new-ui": True, "limit": 3}], "items": ["One"]}
        session = lucidic.ok("GET", f"/sessions/{session_id}")
        assert (session["is_finished"], session["is_successful"], session["session_eval"]) == (True, True, 0.9)
        assert tree_of(lucidic, session_id) == TREE
        listed = lucidic.ok("GET", "/events", params={"session_id": session_id})["results"]
        (large,) = [event for event in listed if event["needs_blob"]]
        assert len(lucidic.ok("GET", f"/events/{large['event_id']}")["payload"]["details"]) == 100_000
        names = {one["session_name"]: one["event_count"] for one in lucidic.ok("GET", "/sessions")["results"]}
        assert names == {"Refund desk": 9, "In a with": 1, "On a loop": 1}
