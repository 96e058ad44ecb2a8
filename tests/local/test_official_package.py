"""The official Python package, unchanged, against the service: every method that works at all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lumnisai_core.local import LocalLumnis, RunRequest, Script, ScriptedEngine, Step
from tests.local.support import Api

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[2]
ARTIFACT = {
    "artifactId": "a1",
    "name": "plan.md",
    "description": "",
    "parts": [{"kind": "text", "text": "High.", "metadata": None}],
    "metadata": {},
    "extensions": [],
}
STEPS = (Step("Planning", tool_calls=[{"name": "search", "args": {"q": "tide"}}]), Step("Writing"))


def script(request: RunRequest) -> Script:
    """Wait, fail or answer, as the message says."""
    text = request.messages[-1].content
    if text == "Wait":
        return Script(STEPS[1:], after=60)
    if text == "Fail":
        return Script(STEPS[1:], error=("LOW_TIDE", "There is no water."))
    structured = {"name": "Brest"} if request.response_format else None
    return Script(STEPS, "High at noon.", structured, [ARTIFACT])


@pytest.mark.parametrize("download", ["inline", "redirect"])
@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_every_method_works(kind: str, download: str) -> None:
    """All scenarios pass with either client, and together they call every method that is not broken in itself.

    With a tenant id the package asks for the tenant in another way; the blocking client cannot do without one.
    """
    with LocalLumnis(engine=ScriptedEngine(script), step_delay=0, download=download) as local, Api(local) as api:  # type: ignore[arg-type]
        tenant_id = api.ok("GET", "/v1/tenant")["id"] if kind == "Client" else ""
        command = [sys.executable, "-m", "tests.local.official", local.base_url, local.api_key, tenant_id, kind]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr
    outcome = json.loads(ended.stdout)
    assert "unused" in outcome
    wrong = [f"{name}: {reason}" for name, reason in outcome.items() if reason]
    assert not wrong, "\n".join(wrong)
