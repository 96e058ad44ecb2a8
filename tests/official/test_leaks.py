"""A benchmark for privacy gateways by others, unchanged, against the guard in front of an upstream that it controls."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import pytest
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from lumnisai_core.liminal import AsyncClient
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.langchain import ChatModelEngine, LiminalGuard

BENCHMARK = Path(__file__).parents[2] / ".venv" / "official-leaks" / "bin" / "pii-leak-benchmark"


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


@pytest.mark.parametrize("command", [["--iterations", "2"], ["selfcheck"]], ids=["profile", "selfcheck"])
def test_no_value_leaks_and_all_come_back(command: list[str], tmp_path: Path) -> None:
    """No generated value reaches the upstream, and each is whole in the streamed answer, cut at every character."""
    report, capture = tmp_path / "report.json", _free_port()
    upstream = ChatOpenAI(
        model="upstream", base_url=f"http://127.0.0.1:{capture}/v1", api_key=SecretStr("none"), max_retries=0
    )
    with LocalLumnis() as gateway:
        guard = LiminalGuard(AsyncClient(gateway.liminal.base_url, token=gateway.liminal.token))
        with LocalLumnis(engine=ChatModelEngine(guard.model(upstream))) as local:
            target = ["--target-base-url", local.openai_base_url, "--target-api-key", local.api_key]
            arguments = [*target, "--target-model", "lumnis", "--capture-port", str(capture), "--json-out", str(report)]
            ended = subprocess.run(
                [BENCHMARK, *command, *arguments], capture_output=True, text=True, check=False, timeout=50, cwd=tmp_path
            )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    checks = json.loads(report.read_text("utf-8"))["checks"]
    assert {name: check["passed"] for name, check in checks.items()} == dict.fromkeys(checks, True)
    boundary = checks["configured_upstream_boundary"]
    assert (boundary["leaked_entity_types"], boundary["uninspectable_requests"]) == ([], 0)
    assert boundary["captured_requests"] > 0
    assert checks["response_fidelity"]["expected_value_reconstructed"]
