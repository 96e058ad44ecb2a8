"""What both adapters decide about a run."""

from __future__ import annotations

from typing import Any

import pytest

from lumnisai_integrations._shared.runs import RUN_FIELDS, asks_for_tenant_view, run_parameters


@pytest.mark.parametrize(
    ("overrides", "model", "of_this_call", "expected"),
    [
        ({}, None, False, {}),
        ({}, "a:b", False, {"smart_model": "a:b"}),
        ({"fast_model": "f:f"}, "a:b", False, {"fast_model": "f:f", "smart_model": "a:b"}),
        ({"smart_model": "s:s"}, "a:b", False, {"smart_model": "s:s"}),
        ({"smart_model": "s:s"}, "a:b", True, {"smart_model": "a:b"}),
    ],
)
def test_the_more_precise_model_wins(
    overrides: dict[str, str], model: str | None, of_this_call: bool, expected: dict[str, str]
) -> None:
    """The call's model beats overrides, and these beat the adapter's own model."""
    fields = {**dict.fromkeys(RUN_FIELDS), "model_overrides": overrides}
    assert run_parameters(fields, {}, model=model, model_of_call=of_this_call)["model_overrides"] == expected


@pytest.mark.parametrize(
    ("keywords", "wanted"),
    [
        ({}, False),
        ({"scope": "tenant"}, True),
        ({"scope": "user"}, False),
        ({"scope": "tenant", "user_id": "u"}, False),
    ],
)
def test_one_call_may_ask_for_the_tenants_view(keywords: dict[str, Any], wanted: bool) -> None:
    """Unless it names a user itself, which is the core's conflict to tell."""
    assert asks_for_tenant_view(keywords) is wanted
