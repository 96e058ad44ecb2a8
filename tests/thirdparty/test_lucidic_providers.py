"""Providers of ``lai.init``: calls of the openai package become events through OpenInference's instrumentor."""

from __future__ import annotations

from typing import Any

import openai

import lumnisai_core.lucidic as lai
from tests.servers import Canned, canned_server
from tests.shared.events import recorded

CALL = {"id": "call-1", "type": "function", "function": {"name": "look_up", "arguments": '{"order": 118}'}}
ANSWER: dict[str, Any] = {
    "id": "c-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini-2024",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {"role": "assistant", "content": "Looking.", "tool_calls": [CALL]},
        }
    ],
    "usage": {"prompt_tokens": 31, "completion_tokens": 12, "total_tokens": 43},
}


def test_a_call_of_openai_is_a_model_call_below_the_event_around_it() -> None:
    """With messages, answer, structured tool calls, tokens and the model that answered; and once."""
    assert lai.instrument(["openai"]) == ["openai"]
    assert lai.instrument(["openai"]) == ["openai"]
    with canned_server([Canned(body=ANSWER)]) as provider, recorded() as arrived:
        with lai.start_event("generic", name="around"):
            openai.OpenAI(api_key="key-of-openai", base_url=provider.base_url).chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "Where is order 118?"}], temperature=0.2
            )
        assert arrived.trees() == [("around", [("gpt-4o-mini-2024", [])])]
        payload = arrived.payload("gpt-4o-mini-2024")
        assert b"key-of-openai" not in b"".join(arrived.bodies())
    assert payload["request"]["messages"] == [{"role": "user", "content": "Where is order 118?"}]
    assert payload["response"]["output"] == "Looking."
    (call,) = payload["response"]["tool_calls"]
    assert (call["name"], call["arguments"]) == ("look_up", {"order": 118})
    assert payload["usage"] == {"input_tokens": 31, "output_tokens": 12}
