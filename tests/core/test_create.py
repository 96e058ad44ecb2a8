"""The body of a new run."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field

from lumnisai_core import AgentConfig, FileAttachment, Message, ModelOverrides, ModelType
from lumnisai_core.exceptions import LocalFileNotSupported, ValidationError
from lumnisai_core.lumnis.calls.runs import create_body, wire_messages


@pytest.mark.parametrize(
    "messages",
    [
        "Hello",
        {"role": "user", "content": "Hello"},
        [{"role": "user", "content": "Hello"}],
        (Message(role="user", content="Hello"),),
        Message(role="user", content="Hello"),
    ],
)
def test_every_accepted_form_of_a_message_is_the_same_on_the_wire(messages: Any) -> None:
    """A string, a message and lists of either become roles and texts."""
    assert wire_messages(messages) == [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([], "messages is empty"),
        ((), "messages is empty"),
        (None, "not NoneType"),
        (5, "not int"),
        (b"bytes", "not bytes"),
        ([5], r"messages\[0\] must be a message"),
        (["Hello"], r"messages\[0\] must be a message"),
        ([{"role": "user", "content": "x"}, {"role": "tool", "content": "x"}], r"messages\[1\] has the role 'tool'"),
        ([{"content": "x"}], r"messages\[0\] has the role None"),
        ([{"role": "user"}], "content of type NoneType"),
        ([{"role": "user", "content": [{"type": "image"}]}], "content of type list"),
    ],
)
def test_invalid_messages_are_refused_with_their_position(messages: Any, problem: str) -> None:
    """The error names the message and what is wrong with it."""
    with pytest.raises(ValidationError, match=problem):
        wire_messages(messages)


class Tide(BaseModel):
    """A tide."""

    height: float = Field(alias="height_m")


def test_a_body_has_only_the_parameters_that_are_set() -> None:
    """Parameters that are None or left out do not appear in the body."""
    body = create_body(
        "Hi",
        user_id="u",
        thread_id="t",
        response_format=Tide,
        response_format_instructions="metres",
        model_overrides=ModelOverrides(smart_model="openai:gpt-4o"),
        agent_config=AgentConfig(planner_model_type=ModelType.SMART_MODEL, use_cognitive_tools=False),
        files=[FileAttachment(name="a.pdf", uri="s3://bucket/a.pdf")],
        options={"agent_mode": "auto"},
        specialized_agent="quick_people_search",
        specialized_agent_params={"limit": 3},
        extra_body={"new_field": 1},
    )
    assert body == {
        "messages": [{"role": "user", "content": "Hi"}],
        "user_id": "u",
        "thread_id": "t",
        "response_format": Tide.model_json_schema(),
        "response_format_instructions": "metres",
        "model_overrides": {"smart_model": "openai:gpt-4o"},
        "agent_config": {"planner_model_type": "SMART_MODEL", "use_cognitive_tools": False},
        "files": [{"name": "a.pdf", "uri": "s3://bucket/a.pdf"}],
        "options": {"agent_mode": "auto"},
        "specialized_agent": "quick_people_search",
        "specialized_agent_params": {"limit": 3},
        "new_field": 1,
    }


def test_nulls_inside_a_schema_stay() -> None:
    """A JSON Schema is sent unchanged."""
    schema = {"type": "object", "properties": {"a": {"enum": ["x", None], "default": None}}}
    assert create_body("Hi", response_format=schema)["response_format"] == schema


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"model_overrides": {"smart": "openai:gpt-4o"}}, "Known fields of model_overrides: cheap_model"),
        ({"model_overrides": {"smart_model": "gpt-4o"}}, "model_overrides.smart_model"),
        ({"model_overrides": "openai:gpt-4o"}, "model_overrides"),
        ({"agent_config": {"agent_mode": "swarm"}}, "agent_config.agent_mode"),
        ({"files": [{"uri": "s3://a/b"}]}, r"files\[0\].name"),
        ({"thread_id": " "}, "thread_id is empty"),
        ({"response_format": "json"}, "pydantic model class or a JSON Schema"),
        ({"response_format": int}, "pydantic model class or a JSON Schema"),
    ],
)
def test_invalid_settings_are_refused_with_their_name(parameters: dict[str, Any], problem: str) -> None:
    """The error names the setting and what is known."""
    with pytest.raises(ValidationError, match=problem):
        create_body("Hi", **parameters)


@pytest.mark.parametrize(
    "uri", ["/tmp/a", "./a.pdf", "../a", "C:\\a.pdf", "\\\\host\\a", "report.pdf", "mailto:x@y", ""]
)
def test_local_paths_are_refused(uri: str) -> None:
    """The service cannot read this machine's files."""
    with pytest.raises(LocalFileNotSupported, match="local path"):
        create_body("Hi", files=[{"name": "a", "uri": uri}])


@pytest.mark.parametrize("uri", ["artifact_1", "https://x.example/a", "S3://b/k", "data:text/plain,hi", "file:///x"])
def test_uris_and_artifacts_are_accepted(uri: str) -> None:
    """What the service can resolve goes through."""
    assert create_body("Hi", files=[{"name": "a", "uri": uri}])["files"] == [{"name": "a", "uri": uri}]


def test_presets_are_the_platforms() -> None:
    """The four documented agent presets set what the platform documents."""
    assert AgentConfig.fast_execution().coordinator_model_name == "openai:gpt-4o-mini"
    assert AgentConfig.deep_reasoning().planner_model_type is ModelType.REASONING_MODEL
    assert AgentConfig.comprehensive_report(agent_mode="auto").generate_comprehensive_output is True
    assert AgentConfig.with_skills(["s"]).skill_ids == ["s"]
