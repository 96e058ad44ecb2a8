"""A LiminalGuard outside means placeholders inside: no clear value reaches the events of a guarded chain."""

from __future__ import annotations

from typing import Any

import pytest

from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.langchain import LiminalGuard, LucidicCallbackHandler
from tests.langchain.guarding import PAYLOADS, Payload
from tests.langchain.recording import RecordingModel
from tests.shared.events import recorded
from tests.shared.guarded import clear_values, gateway_client, placeholders


@pytest.mark.parametrize("mode", ["invoke", "stream"])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_events_of_a_guarded_chain_have_placeholders_only(local: LocalLumnis, payload: Payload, mode: str) -> None:
    """In texts, blocks, tool arguments and results, structured output and documents; the caller gets the values."""
    with gateway_client(local) as client, recorded() as arrived:
        run, value = payload(LiminalGuard(client), RecordingModel())
        config: Any = {"callbacks": [LucidicCallbackHandler()]}
        result = run.invoke(value, config) if mode == "invoke" else list(run.stream(value, config))
        events = arrived.events()
        assert clear_values([arrived.bodies()]) == []
    assert clear_values([result]) != []
    assert any(event["type"] == "llm_generation" for event in events)
    assert placeholders([event["payload"] for event in events])
