"""A benchmark for privacy gateways by others, unchanged, against the guard in front of an upstream that it controls."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from lumnisai_core.liminal import AsyncClient
from lumnisai_core.local import LocalLumnis
from tests.official.leaks_endpoint import free_port, serving

BENCHMARK = Path(__file__).parents[2] / ".venv" / "official-leaks" / "bin" / "pii-leak-benchmark"


@pytest.mark.parametrize("command", [["--iterations", "2"], ["selfcheck"]], ids=["profile", "selfcheck"])
def test_no_value_leaks_and_all_come_back(command: list[str], tmp_path: Path) -> None:
    """No generated value reaches the upstream, and each is whole in the streamed answer, cut at every character."""
    report = tmp_path / "report.json"
    capture = free_port()
    with LocalLumnis() as local:
        client = AsyncClient(local.liminal.base_url, token=local.liminal.token)
        with serving(client, f"http://127.0.0.1:{capture}/v1") as address:
            arguments = ["--target-base-url", address, "--capture-port", str(capture), "--json-out", str(report)]
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
