"""Scripts: their plain form, their files, and which one is played."""

from __future__ import annotations

import json
import sys
from pathlib import Path
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
    steps = [Step("Thinking."), Step("Searching.", after=0.5, tool_calls=[{"name": "t"}])]
    assert Script.from_dict(plain) == Script(steps=steps, output_text="ok", error=("A", "b"))


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ({"step": []}, r"Script has no step; known keys: steps, output_text"),
        ({"steps": "Thinking."}, r"Script\.steps .*got 'Thinking\.'"),
        ({"steps": [{"text": "x"}]}, r"Script\.steps\[0\] has no text; known keys: message"),
        ({"steps": [5]}, r"Script\.steps\[0\] must be a dictionary .*, got 5"),
        ({"error": "broken"}, r"Script\.error must be .*, got 'broken'"),
        ({"error": ["A"]}, r"Script\.error\[1\] Field required, got \['A'\]"),
        ([], r"Script must be a dictionary .*, got \[\]"),
        ({"steps": 5}, r"Script\.steps must be .*, got 5"),
        ({"steps": ["a", {"after": "soon"}]}, r"steps\[1\]\.after must be a valid number, got 'soon'"),
        ({"steps": [{"after": True}]}, r"after must be a valid number, got True"),
        ({"steps": [{"tool_calls": ["search"]}]}, r"tool_calls\[0\] must be a valid dictionary, got 'search'"),
        ({"output_text": 5}, r"Script\.output_text must be a valid string, got 5"),
        ({1: 2, "x": 3}, "Script has no 1;.*Script has no x;"),
    ],
)
def test_a_wrong_script_is_an_error_with_the_reason(plain: Any, words: str) -> None:
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


_PLAIN = [{"steps": ["Thinking."], "output_text": "one"}, {"output_text": "two"}]


def test_scripts_can_be_read_from_files(serve: Serve, tmp_path: Path) -> None:
    """JSON and YAML, one script or a list."""
    (tmp_path / "several.json").write_text(json.dumps(_PLAIN))
    (tmp_path / "one.json").write_text(json.dumps(_PLAIN[0]))
    (tmp_path / "several.yaml").write_text("- steps: [Thinking.]\n  output_text: one\n- output_text: two\n")
    for name in ("several.json", "several.yaml"):
        api = serve(ScriptedEngine.from_file(tmp_path / name))
        assert [api.finish()["output_text"] for _ in range(3)] == ["one", "two", "two"]
    api = serve(ScriptedEngine.from_file(str(tmp_path / "one.json")))
    assert [entry["message"] for entry in api.finish()["progress"]] == ["Thinking."]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.json", '[\n {"steps": }\n]', r"a\.json must be UTF-8 text with JSON: Expecting value: line 2 column 12"),
        ("a.json", "[]", r"a\.json: no script: write an object"),
        ("a.json", "5", "no script: write an object"),
        ("a.json", '{"step": []}', r"a\.json: Script has no step"),
        ("a.json", '[{}, {"steps": ["a", 5]}]', r"a\.json: Script\[1\]\.steps\[1\] must be a dictionary .*, got 5"),
        ("a.yml", "steps: [a\n", r"a\.yml must be UTF-8 text with YAML: .*line 2, column 1"),
        ("a.yaml", "- output_text: 5\n", r"a\.yaml: Script\[0\]\.output_text must be a valid string, got 5"),
    ],
)
def test_a_wrong_file_is_reported_with_the_place(tmp_path: Path, name: str, text: str, words: str) -> None:
    """The message names the file, and the line or the step."""
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=words):
        ScriptedEngine.from_file(tmp_path / name)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    """Such as a compressed file."""
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="must be UTF-8 text"):
        ScriptedEngine.from_file(tmp_path / "a.json")


def test_yaml_without_its_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON needs no package."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    (tmp_path / "a.yaml").write_text("output_text: a")
    with pytest.raises(ImportError, match="pip install pyyaml"):
        ScriptedEngine.from_file(tmp_path / "a.yaml")
