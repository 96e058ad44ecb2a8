"""The least that a call can cost: the same requests by httpx alone, with nothing around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

COMPLETION_REQUEST = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}


@contextmanager
def two_raw_calls(base_url: str, api_key: str) -> Iterator[Callable[[], None]]:
    """Offer an action that creates a run and reads it once."""
    body = {"messages": [{"role": "user", "content": "Hi"}], "user_id": "u"}
    with httpx.Client(headers={"Authorization": f"Bearer {api_key}"}, trust_env=False) as client:

        def run() -> None:
            created = client.post(base_url + "/v1/responses", json=body).json()
            client.get(base_url + f"/v1/responses/{created['response_id']}", params={"wait": 10}).json()

        yield run


@contextmanager
def one_raw_call(base_url: str) -> Iterator[Callable[[], None]]:
    """Offer an action that asks an OpenAI endpoint for a completion."""
    with httpx.Client(headers={"Authorization": "Bearer key"}, trust_env=False) as client:
        yield lambda: client.post(base_url + "/v1/chat/completions", json=COMPLETION_REQUEST).json()
