"""Drives the official package of Lucidic, version 3, against a service, and prints as JSON what came of it.

It runs in the environment of that package, which has nothing of ours: address, key and agent id are arguments.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from typing import Any

from lucidicai import LucidicAI


def resources(client: LucidicAI) -> dict[str, Any]:
    """Make the calls of prompts, datasets, experiments, flags and tools."""
    client.prompts.update("greeting", "Hi {{name}}", metadata={"owner": "desk"}, labels=["production", "next"])
    prompt = client.prompts.get("greeting", variables={"name": "Ann"})
    client.prompts.update_metadata("greeting", "next", {"owner": "quay"})
    dataset_id = client.datasets.create("Cases", description="Refunds")["dataset_id"]
    item_id = client.datasets.create_item(dataset_id, "One", {"q": 1}, expected_output="a")["datasetitem_id"]
    client.datasets.update(dataset_id, description="Late refunds")
    client.datasets.update_item(dataset_id, item_id, name="First")
    with client.sessions.create(session_name="Of an item", datasetitem_id=item_id):
        pass
    dataset = client.datasets.get(dataset_id)
    found = {
        "prompt": [str(prompt), prompt.metadata],
        "dataset": [dataset["description"], dataset["num_items"], dataset["items"][0]["name"]],
        "item": client.datasets.get_item(dataset_id, item_id)["expected_output"],
        "item_sessions": client.datasets.list_item_sessions(dataset_id, item_id)["num_sessions"],
        "datasets": client.datasets.list()["num_datasets"],
        "flags": [client.feature_flags.get("new-ui", False), client.feature_flags.get("none", "default")],
    }
    client.datasets.delete_item(dataset_id, item_id)
    client.datasets.delete(dataset_id)
    return found


def traced(client: LucidicAI) -> str:
    """Run nested decorated functions, one of which fails, in a session of an experiment."""

    @client.event(tags=["outer"])
    def outer(number: int) -> int:
        return inner(number) + 1

    @client.event()
    def inner(number: int) -> int:
        if number < 0:
            raise ValueError("must be positive")
        return number * 2

    experiment_id = client.experiments.create("Tone", LLM_boolean_evaluators=["polite"], description="d")
    with client.sessions.create(session_name="Refund desk", task="Answer", experiment_id=experiment_id) as session:
        outer(3)
        with suppress(ValueError):
            outer(-1)
        client.events.create(
            type="llm_generation",
            provider="openai",
            model="gpt",
            messages=[{"role": "user", "content": "Where?"}],
            output="There.",
            input_tokens=3,
            output_tokens=2,
        )
        client.events.create(type="generic", details="x" * 100_000)
        client.events.create_error(error="timeout", traceback="Traceback ...")
        client.evals.emit(result=0.87, name="accuracy")
        client.sessions.update(session.session_id, is_successful=True, session_eval=0.9)
        return str(session.session_id)


async def traced_async(client: LucidicAI) -> str:
    """Do the same on an event loop."""

    @client.event()
    async def inner(number: int) -> int:
        await asyncio.sleep(0)
        return number * 2

    session = await client.sessions.acreate(session_name="On a loop")
    async with session:
        await asyncio.gather(inner(1), inner(2))
        await client.events.acreate(type="generic", details="done")
    return str(session.session_id)


def main(address: str, key: str, agent: str) -> dict[str, Any]:
    """Make the calls, and read back what they left."""
    client = LucidicAI(api_key=key, agent_id=agent, base_url=address, providers=[])
    session_ids = [traced(client), asyncio.run(traced_async(client))]
    found = resources(client)
    events = client.events.list(session_id=session_ids[0])
    event_id = events["results"][0]["event_id"]
    client.events.update(event_id, tags=["seen"])
    return {
        **found,
        "session_ids": session_ids,
        "event": [events["count"], client.events.get(event_id)["tags"]],
        "sessions": client.sessions.list()["count"],
        "name": client.sessions.get(session_ids[0])["session_name"],
    }


if __name__ == "__main__":
    sys.stdout.write(f"\n{json.dumps(main(*sys.argv[1:]))}\n")
