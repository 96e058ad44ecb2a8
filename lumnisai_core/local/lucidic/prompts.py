"""The routes of prompts, with versions and labels, and of feature flags."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from lumnisai_core.local.lucidic.service import MOUNT, Call, Name, OfAgent, not_found
from lumnisai_core.local.lucidic.store import LabelRow, PromptRow
from lumnisai_core.local.web.ids import now
from lumnisai_core.local.web.json_text import dumps
from lumnisai_core.local.web.routes import RouteTable
from lumnisai_core.local.web.shapes import Object, Shape

route = RouteTable(f"/{MOUNT}")
_PRODUCTION = "production"


class GetPrompt(OfAgent):
    """Query of `GET /sdk/prompts`."""

    prompt_name: Name
    label: Name = _PRODUCTION


class NewVersion(OfAgent):
    """Body of `PUT /sdk/prompts`; a version without labels is the one in production."""

    prompt_name: Name
    prompt_content: str
    description: str | None = None
    metadata: Object | None = None
    labels: list[Name] | None = None


class ChangeMetadata(OfAgent):
    """Body of `PATCH /sdk/prompts`."""

    prompt_name: Name
    label: Name
    metadata: Object


class GetFlag(OfAgent):
    """Query of `GET /featureflags`."""

    flag_name: Name


class EvaluateFlag(Shape):
    """Body of the evaluation of a flag."""

    flag_name: Name


class EvaluateFlags(Shape):
    """Body of the evaluation of several flags."""

    flag_names: list[Name] = Field(max_length=1000)


# Prompts


@route("GET /sdk/prompts")
async def get_prompt(call: Call, query: GetPrompt) -> Object:
    """Show the version of a prompt that has a label."""
    return _reply(_prompt(call, query.agent_id, query.prompt_name, query.label))


@route("GET /getprompt")
async def get_prompt_by_old_route(call: Call, query: GetPrompt) -> Object:
    """Show the version of a prompt that has a label."""
    return _reply(_prompt(call, query.agent_id, query.prompt_name, query.label))


@route("PUT /sdk/prompts")
async def new_version(call: Call, body: NewVersion) -> Object:
    """Add a version to a prompt, which is new if there is none of that name, and move labels to it."""
    agent, name, store = call.known_agent(body.agent_id), body.prompt_name, call.store
    with store.transaction():
        last = store.prompts.one(agent_id=agent, prompt_name=name)
        version = 1 if last is None else last.version + 1
        row = PromptRow(agent, name, version, body.prompt_content, body.description, dumps(body.metadata or {}), now())
        store.prompts.add(row)
        for label in body.labels or [_PRODUCTION]:
            store.labels.add(LabelRow(agent, name, label, version), "INSERT OR REPLACE")
    return _reply(row)


@route("PATCH /sdk/prompts")
async def change_metadata(call: Call, body: ChangeMetadata) -> Object:
    """Replace the metadata of the version that has a label."""
    with call.store.transaction():
        prompt = _prompt(call, body.agent_id, body.prompt_name, body.label)
        key = {"agent_id": prompt.agent_id, "prompt_name": prompt.prompt_name, "version": prompt.version}
        call.store.prompts.change(key, metadata=dumps(body.metadata))
    return _reply(_prompt(call, body.agent_id, body.prompt_name, body.label))


def _prompt(call: Call, agent_id: str | None, name: str, label: str) -> PromptRow:
    agent = call.known_agent(agent_id)
    labelled = call.store.labels.one(agent_id=agent, prompt_name=name, label=label)
    version = -1 if labelled is None else labelled.version
    prompt = call.store.prompts.one(agent_id=agent, prompt_name=name, version=version)
    if prompt is None:
        raise not_found("Prompt")
    return prompt


def _reply(prompt: PromptRow) -> Object:
    return {name: getattr(prompt, name) for name in PromptRow.__dataclass_fields__}


# Feature flags


@route("GET /featureflags")
async def get_flag(call: Call, query: GetFlag) -> Object:
    """Show a flag; one that is not set has no value, so that clients take their default."""
    return {"flag_name": query.flag_name, **_flag(call, query.flag_name)}


@route("POST /evaluatefeatureflag")
async def evaluate_flag(call: Call, body: EvaluateFlag) -> Object:
    """Evaluate a flag for a session."""
    return _flag(call, body.flag_name) or {"error": f"Feature flag {body.flag_name} not found"}


@route("POST /evaluatefeatureflagstateless")
async def evaluate_flag_without_session(call: Call, body: EvaluateFlag) -> Object:
    """Evaluate a flag."""
    return await evaluate_flag(call, body)


@route("POST /evaluatebatchfeatureflags")
async def evaluate_flags(call: Call, body: EvaluateFlags) -> Object:
    """Evaluate flags for a session; those that are not set are left out."""
    found = {name: _flag(call, name) for name in body.flag_names}
    return {"flags": {name: flag for name, flag in found.items() if flag}}


@route("POST /evaluatebatchfeatureflagsstateless")
async def evaluate_flags_without_session(call: Call, body: EvaluateFlags) -> Object:
    """Evaluate flags; those that are not set are left out."""
    return await evaluate_flags(call, body)


def _flag(call: Call, name: str) -> dict[str, Any]:
    return {"value": call.service.flags[name]} if name in call.service.flags else {}
