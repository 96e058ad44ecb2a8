"""The official package of Liminal, unchanged and in an environment of its own, against the embedded gateway."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from lumnisai_core.local import LocalLumnis
from tests.local.support import EchoEngine

PYTHON = Path(__file__).parents[2] / ".venv" / "official-liminal" / "bin" / "python"
SCRIPT = Path(__file__).with_name("liminal_calls.py")
PROMPT = "Write to Dr Mira Okafor, mira.okafor@example.org."
CLEANSED = "Write to Dr PERSON_0, EMAIL_ADDRESS_0."


def test_every_documented_call_works() -> None:
    """With each way to log in, with findings and without; its errors are those that the package knows."""
    with LocalLumnis(engine=EchoEngine()) as local:
        arguments = [local.liminal.base_url, local.liminal.token, local.liminal.model_instance]
        ended = subprocess.run([PYTHON, SCRIPT, *arguments], capture_output=True, text=True, check=False, timeout=50)
    assert ended.returncode == 0, ended.stderr
    outcomes = json.loads(ended.stdout)
    assert sorted(outcomes) == ["0", "1", "2"]
    for outcome in outcomes.values():
        for cleansed, raw, answer, streamed, reason in outcome.pop("answers"):
            assert (cleansed, reason) == (CLEANSED, "stop")
            assert CLEANSED in raw
            assert (PROMPT in answer, "PERSON_0" in answer) == (True, False)
            assert (PROMPT in streamed, "PERSON_0" in streamed) == (True, False)
        assert outcome == {
            "instances": [local.liminal.model_instance],
            "is_listed": True,
            "types": ["PERSON", "EMAIL_ADDRESS"],
            "hydrated": "Dear Mira Okafor,",
            "errors": ["ModelInstanceUnknownError", "RequestError"],
        }
