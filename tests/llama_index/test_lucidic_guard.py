"""A LiminalGuard outside means placeholders inside: no clear value reaches the events of a guarded LLM."""

from __future__ import annotations

import pytest

from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.llama_index import LiminalGuard, LucidicHandler
from tests.llama_index.recording import recording
from tests.llama_index.test_guard import MESSAGES
from tests.shared.events import recorded
from tests.shared.guarded import clear_values, gateway_client, placeholders


@pytest.mark.parametrize("kind", MESSAGES)
def test_events_of_a_guarded_llm_have_placeholders_only(local: LocalLumnis, kind: str) -> None:
    """In texts, blocks, tool arguments and results; the caller gets the values."""
    llm, _ = recording()
    llm.as_blocks = kind == "blocks"
    with gateway_client(local) as client, recorded() as arrived, LucidicHandler():
        guarded = LiminalGuard(client).llm(llm)
        results = [guarded.chat(MESSAGES[kind]), list(guarded.stream_chat(MESSAGES[kind]))[-1]]
        events = arrived.events()
        assert clear_values([arrived.bodies()]) == []
    assert clear_values(results) != []
    assert any(event["type"] == "llm_generation" for event in events)
    assert placeholders([event["payload"] for event in events])
