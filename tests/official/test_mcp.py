"""The MCP adapters of LangChain and LlamaIndex, unchanged and in an environment of their own, with ``lumnis mcp``."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis
from tests.mcp.conftest import USER, over_http

HERE = Path(__file__).parent
COMMAND = [sys.executable, "-m", "lumnisai_integrations.cli", "mcp"]


def driven(framework: str, server: Sequence[str], local: LocalLumnis) -> Any:
    """Run the script in its environment; return what it printed last."""
    python = HERE.parents[1] / ".venv" / "official-mcp" / "bin" / "python"
    known = {"LUMNISAI_API_KEY": local.api_key, "LUMNISAI_BASE_URL": local.base_url, "LUMNISAI_USER_ID": USER}
    command = [str(python), str(HERE / "mcp_calls.py"), framework, *server]
    environment = {**os.environ, **known}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110, env=environment)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.strip().splitlines()[-1])


@pytest.mark.timeout(120)
@pytest.mark.parametrize("transport", ["stdio", "http"])
@pytest.mark.parametrize("framework", ["langchain", "llama_index"])
async def test_an_adapter_asks_an_agent(framework: str, transport: str) -> None:
    """Answer, structured result, an error in words, and the user's files, over both transports."""
    with LocalLumnis() as local:
        with Client(local.api_key, base_url=local.base_url, user_id=USER) as client:
            client.files.upload(b"Tides of North Quay.", file_name="tides.md")
        if transport == "stdio":
            found = await asyncio.to_thread(driven, framework, COMMAND, local)
        else:
            async with over_http(local) as url:
                found = await asyncio.to_thread(driven, framework, [url], local)
    assert found["tools"] == ["ask", "wait", "status", "cancel"]
    assert found["state"]["answer"] == "Neap tides are small."
    assert all("Neap tides are small." in text for text in found["texts"])
    assert "There is no response nowhere" in found["failed"]
    assert found["files"] == ["Tides of North Quay."]
