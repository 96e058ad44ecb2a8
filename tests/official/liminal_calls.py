"""Drives the official package of Liminal against a gateway, and prints as JSON what came of it.

It runs in the environment of that package, which has nothing of ours: address, token and model instance are arguments.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx
from liminal import Client
from liminal.errors import ModelInstanceUnknownError, RequestError

PROMPT = "Write to Dr Mira Okafor, mira.okafor@example.org."


class Provider:
    """A provider of access tokens, as the package wants it."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def get_access_token(self) -> str:
        return self._token


async def main(address: str, token: str, name: str) -> dict[str, Any]:
    """Make every documented call, over each way to log in."""
    first = await Client.authenticate_from_token(address, token)
    async with httpx.AsyncClient() as pool:
        clients = [
            first,
            await Client.authenticate_from_session_id(address, first.session_id),
            await Client.authenticate_from_auth_provider(address, Provider(token), httpx_client=pool),
        ]
        return {str(number): await outcome(client, name) for number, client in enumerate(clients)}


async def outcome(client: Client, name: str) -> dict[str, Any]:
    """Make every documented call with one client."""
    instances = await client.llm.get_available_model_instances()
    instance = await client.llm.get_model_instance(name)
    made = await client.thread.create(instance.id, "New thread")
    thread = await client.thread.get_by_id(made.id)
    found = await client.prompt.analyze(instance.id, PROMPT)
    answers = []
    for known in (None, found):
        chosen = {"thread_id": thread.id, "findings": known}
        cleansed = await client.prompt.cleanse(instance.id, PROMPT, **chosen)
        submitted = await client.prompt.submit(instance.id, PROMPT, **chosen)
        chunks = [chunk async for chunk in client.prompt.stream(instance.id, PROMPT, **chosen)]
        answers.append(
            (
                cleansed.text,
                submitted.raw_llm_response_text,
                submitted.reidentified_llm_response_text,
                "".join(chunk.content for chunk in chunks),
                chunks[-1].finish_reason,
            )
        )
    hydrated = await client.prompt.hydrate(instance.id, "Dear PERSON_0,", thread_id=thread.id)
    return {
        "instances": [one.name for one in instances],
        "is_listed": thread.id in [one.id for one in await client.thread.get_available()],
        "types": [finding.type for finding in found.findings],
        "answers": answers,
        "hydrated": hydrated.text,
        "errors": [
            await error_of(client.llm.get_model_instance("Hut")),
            await error_of(client.thread.get_by_id(999_999)),
        ],
    }


async def error_of(call: Any) -> str:
    """Return the name of the error that a call raises."""
    try:
        await call
    except (ModelInstanceUnknownError, RequestError) as error:
        return type(error).__name__
    return ""


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main(*sys.argv[1:]))))
