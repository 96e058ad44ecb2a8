"""Scripts: their plain form, and which one is played."""

from __future__ import annotations

from typing import Any

import pytest

from lumnisai_core.local import RunRequest, Script, ScriptedEngine, Step
from tests.local.conftest import Serve


def test_a_script_can_be_read_from_its_plain_form() -> None:
    """Steps may be texts or objects, an error a pair or an object."""
    plain = {
        "steps": ["Thinking.", {"message": "Searching.", "after": 0.5, "tool_calls": [{"name": "t"}]}],
        "output_text": "ok",
        "error": {"code": "A", "message": "b"},
    }
    steps = (Step("Thinking."), Step("Searching.", after=0.5, tool_calls=[{"name": "t"}]))
    assert Script.from_dict(plain) == Script(steps=steps, output_text="ok", error=("A", "b"))


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ({"step": []}, "no step; known keys: steps"),
        ({"steps": "Thinking."}, "list of steps"),
        ({"steps": [{"text": "x"}]}, "Step has no text"),
        ({"steps": [5]}, "Step must be an object, not int"),
        ({"error": "broken"}, "code, message"),
        ({"error": ["A"]}, "code, message"),
        ([], "Script must be an object, not list"),
    ],
)
def test_a_wrong_script_says_what_is_wrong(plain: Any, words: str) -> None:
    """Errors name the key or the shape."""
    with pytest.raises(ValueError, match=words):
        Script.from_dict(plain)


def test_an_engine_needs_a_script() -> None:
    """An empty list is refused at once."""
    with pytest.raises(ValueError, match="at least one"):
        ScriptedEngine([])


def test_scripts_are_played_in_order_of_arrival(serve: Serve) -> None:
    """One script per run, the last one repeated."""
    api = serve(ScriptedEngine([Script(output_text="one"), Script(output_text="two")]))
    assert [api.finish()["output_text"] for _ in range(3)] == ["one", "two", "two"]


def test_a_script_can_depend_on_the_request(serve: Serve) -> None:
    """A function chooses the script, and sees all of the request."""

    def choose(request: RunRequest) -> Script:
        seen = (request.model_overrides, request.agent_config, request.files, request.specialized_agent)
        return Script(output_text=repr(seen), steps=[Step(after=0.001, tool_calls=[{"name": "t"}])])

    fields: dict[str, Any] = {
        "model_overrides": {"fast_model": "a:b"},
        "agent_config": {"x": 1},
        "specialized_agent": "s",
    }
    run = serve(ScriptedEngine(choose)).finish(files=[{"name": "a", "uri": "https://x"}], **fields)
    assert run["output_text"] == "({'fast_model': 'a:b'}, {'x': 1}, ({'name': 'a', 'uri': 'https://x'},), 's')"
    assert run["progress"][0]["tool_calls"] == [{"name": "t"}]
