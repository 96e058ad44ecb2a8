from __future__ import annotations

from typing import Any

import pytest

from lumnisai_core import ModelOverrides
from lumnisai_integrations._shared.runs import RUN_FIELDS
from lumnisai_integrations.llama_index.lumnis.calls import call_parameters

FIELDS: dict[str, Any] = {
    **dict.fromkeys(RUN_FIELDS),
    "scope": "user",
    "user_id": "ada",
    "model": None,
    "run_timeout": 600,
}


def test_call_wins() -> None:
    """A keyword of the call replaces the field of the same name, also with None."""
    settled = call_parameters(FIELDS, {"run_timeout": None, "thread_id": "t1"})
    assert settled == {
        **dict.fromkeys(RUN_FIELDS),
        "scope": "user",
        "user_id": "ada",
        "thread_id": "t1",
    }


@pytest.mark.parametrize(
    ("fields", "given", "overrides"),
    [
        ({"model": "a:1"}, {}, {"smart_model": "a:1"}),
        ({}, {"model": "b:2"}, {"smart_model": "b:2"}),
        ({"model": "a:1"}, {"model": "b:2"}, {"smart_model": "b:2"}),
        ({"model": "a:1"}, {"model": None}, None),
        ({"model": "a:1", "model_overrides": {"fast_model": "c:3"}}, {}, {"smart_model": "a:1", "fast_model": "c:3"}),
        ({"model": "a:1"}, {"model_overrides": {"smart_model": "d:4"}}, {"smart_model": "d:4"}),
        ({"model_overrides": ModelOverrides(smart_model="d:4")}, {"model": "b:2"}, {"smart_model": "b:2"}),
        ({"model_overrides": {"fast_model": "c:3"}}, {}, {"fast_model": "c:3"}),
    ],
)
def test_model(fields: dict[str, Any], given: dict[str, Any], overrides: Any) -> None:
    """``model`` is the smart model; the more precise word wins, and that of the call over that of the LLM."""
    assert call_parameters({**FIELDS, **fields}, given).get("model_overrides") == overrides


def test_tenant_view_of_one_call() -> None:
    """A call in tenant scope leaves out the user of the LLM, but not one it names itself."""
    assert call_parameters(FIELDS, {"scope": "tenant"})["user_id"] is None
    assert call_parameters(FIELDS, {"scope": "tenant", "user_id": "bob"})["user_id"] == "bob"


def test_keywords_are_left_alone() -> None:
    """Settling changes neither the fields nor the keywords."""
    fields, given = dict(FIELDS), {"model": "a:1", "model_overrides": {"fast_model": "c:3"}, "scope": "tenant"}
    call_parameters(fields, given)
    assert fields == FIELDS
    assert given == {"model": "a:1", "model_overrides": {"fast_model": "c:3"}, "scope": "tenant"}
