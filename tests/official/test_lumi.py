"""The official package of Lumi.new, unchanged and in Node, against the embedded backend in strict signature mode."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from lumnisai_core.local import LumiSettings

NODE = shutil.which("node")
MODULES = Path(__file__).parents[2] / ".venv" / "official-lumi" / "node_modules"
PACKAGE = MODULES / "@lumi.new" / "sdk" / "dist" / "index.js"
SCRIPT = Path(__file__).with_name("lumi_calls.mjs")
API_KEY = "lk-official"

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="node is not installed: Node 18 or later runs the package of Lumi.new"),
    pytest.mark.skipif(not PACKAGE.exists(), reason="npm did not install the package of Lumi.new"),
]


def sign_key() -> str:
    """Return the key of the signature, which the package has in its text and everybody shares."""
    (key,) = {str(text) for text in re.findall(r'"([A-Za-z0-9+/=_-]{28,})"', PACKAGE.read_text("utf-8"))}
    return key


@contextmanager
def served(path: Path, port: int = 0) -> Iterator[str]:
    """Serve a database file in a process that is killed in the end; return its address."""
    environment = {**os.environ, "LUMI_SIGN_KEY": sign_key(), "LUMI_API_KEY": API_KEY}
    command = [sys.executable, "-m", "tests.official.lumi_served", str(path), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address
        yield address
    finally:
        process.kill()
        process.communicate()


def drive(mode: str, address: str, before: Any = None) -> Any:
    """Let the package make its calls; return what came of them."""
    command = [str(NODE), str(SCRIPT), str(PACKAGE), address, LumiSettings().project_id, mode]
    ended = subprocess.run(
        command,
        input="" if before is None else json.dumps(before),
        env={**os.environ, "LUMI_API_KEY": API_KEY},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_every_call_works_also_after_a_kill(tmp_path: Path) -> None:
    """Each signed by the package itself; the service keeps accounts, tokens, documents and files when it is killed."""
    path = tmp_path / "lumi.db"
    with served(path) as address:
        first = drive("first", address)
        browser = drive("browser", address)
    with served(path, urlsplit(address).port or 0) as address:
        again = drive("again", address, first)
    check_accounts(first)
    check_documents(first["entities"])
    check_tools(first["tools"])
    assert first["functions"] == {
        "answered": {"method": "POST", "query": {"a": "1"}, "json": {"to": "x"}, "email": "ines@example.org"},
        "lines": "data: one\n\ndata: GET\n\n",
        "unknown": "FetchError",
    }
    assert browser == {
        "seen": [True, True, True, False, False, True, False, False],
        "email": "ines@example.org",
        "invalid": ["Error", None, "The token is not valid or has expired."],
        "authenticated": False,
    }
    assert again["profile"] == first["profile"]
    assert (again["list"], again["total"]) == ([first["entities"]["updated"]], 1)
    assert (again["served"], again["image"], again["updated"]["status"]) == ("kept", 200, "open")
    assert again["accessToken"] != first["accessToken"]
    assert again["invalid"] == ["LumiError", 2100, None]


def check_accounts(first: Any) -> None:
    assert (first["wrong"], first["old"]) == (["LumiError", 400, None], ["LumiError", 403, None])
    assert [error[:2] for error in first["refused"]] == [["LumiError", 10400]] * 2
    assert (first["profile"]["email"], first["profile"]["userRole"]) == ("ines@example.org", "USER")
    assert (first["name"], first["authenticated"]) == ("Ines", True)


def check_documents(entities: Any) -> None:
    one, lamp = entities["one"], entities["more"][0]
    assert entities["updated"] == {**one, "status": "done", "updatedAt": entities["updated"]["updatedAt"]}
    assert entities["got"] == entities["updated"]
    assert entities["page"] == {"total": 2, "list": [lamp]}
    assert entities["titles"] == ["Leaking tap", "Broken lamp", "Door"]
    assert (entities["gone"], entities["left"]) == (None, 1)
    assert entities["missing"] == ["Error", None, "There is no document that the filter applies to."]


def check_tools(tools: Any) -> None:
    assert [sorted(upload) for upload in tools["uploads"]] == [["fileName", "fileUrl"], ["fileName", "uploadError"]]
    assert (tools["served"], tools["deleted"]) == ("drip", 404)
    assert tools["text"] == "system: Answer in one line.\nuser: What drips?"
    assert tools["streamed"] == tools["text"]
    assert tools["chunks"] > 1
    assert (tools["status"], tools["png"]) == ("SUCCESS", "PNG")
