"""From the fields of an LLM and the keywords of a call to the parameters of a run. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel

from lumnisai_core import InvokeParameters
from lumnisai_integrations._shared.runs import asks_for_tenant_view, with_smart_model

#: Fields of the LLM that a keyword of the same name replaces for one call.
RUN_FIELDS = (
    "scope",
    "user_id",
    "thread_id",
    "model",
    "model_overrides",
    "agent_config",
    "files",
    "options",
    "run_timeout",
    "progress_interval",
    "cancel_on_interrupt",
)


def run_parameters(fields: Mapping[str, Any], given: Mapping[str, Any]) -> InvokeParameters:
    """Settle the parameters of one run: a keyword of the call wins over the field of the same name.

    Args:
        fields: The values of :data:`RUN_FIELDS`.
        given: The keywords of the call. They stay as they are.
    """
    settled = {**fields, **given}
    model = settled.pop("model")
    if model is not None:
        overrides = _as_dict(settled["model_overrides"])
        settled["model_overrides"] = with_smart_model(overrides, model, of_this_call=bool(given.get("model")))
    if asks_for_tenant_view(given):
        settled["user_id"] = None
    return cast("InvokeParameters", settled)


def _as_dict(overrides: BaseModel | Mapping[str, Any] | None) -> dict[str, Any]:
    if isinstance(overrides, BaseModel):
        return overrides.model_dump(exclude_none=True)
    return dict(overrides or {})
