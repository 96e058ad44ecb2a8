"""The configurations of the cookbook for desktop clients, started by its program with MCP's own client."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lumnisai_core.local import LocalLumnis
from tests.cookbook import pages

pytestmark = pytest.mark.timeout(300)  # starts servers in processes of their own


def test_a_desktop_client_starts_the_mcp_server(tmp_path: Path, local: LocalLumnis) -> None:
    """With the very configurations of the page: the embedded service answers, or the one that it names."""
    pages.save("mcp", tmp_path)
    first, second = [
        json.loads(block)
        for block in re.findall(r"^```json\n(.*?)^```$", pages.text_of("mcp"), re.MULTILINE | re.DOTALL)
    ]
    given = second["mcpServers"]["lumnis"]["env"]
    assert given.keys() == {"LUMNISAI_API_KEY", "LUMNISAI_USER_ID"}
    given |= {"LUMNISAI_API_KEY": local.api_key, "LUMNISAI_BASE_URL": local.base_url}
    both = {"mcpServers": {"lumnis": first["mcpServers"]["lumnis"], "own": second["mcpServers"]["lumnis"]}}
    (tmp_path / "config.json").write_text(json.dumps(both))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "check_mcp.py", "config.json"],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    shown = pages.outputs_of("mcp")[0]
    assert done.stdout == shown + shown.replace("lumnis:", "own:"), done.stderr


def test_a_server_that_does_not_start_is_named(tmp_path: Path) -> None:
    """The others are still tried, and the exit status counts those that failed."""
    pages.save("mcp", tmp_path)
    (tmp_path / "wrong.json").write_text('{"mcpServers": {"lumnis": {"command": "no-such-command"}}}')
    done = subprocess.run(
        [sys.executable, "check_mcp.py", "wrong.json"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "lumnis: FAILED: " in done.stdout
    assert "no-such-command" in done.stdout
