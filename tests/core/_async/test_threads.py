"""Threads through the client, over real sockets against the embedded service."""

from __future__ import annotations

from uuid import uuid4

import pytest

from lumnisai_core import AsyncClient
from lumnisai_core.exceptions import MissingUserId, NotFoundError, ValidationError
from lumnisai_core.local import LocalLumnis


async def test_the_life_of_a_thread(local: LocalLumnis) -> None:
    """Create, get, list, update, use and delete, by resource and by short name."""
    async with AsyncClient(local.api_key, base_url=local.base_url) as client:
        thread = await client.create_thread(user_id="reader-1", title="Research Project")
        assert thread.title == "Research Project"
        assert (await client.get_thread(thread.thread_id)) == thread
        listed = await client.list_threads(user_id="reader-1")
        assert [found.thread_id for found in listed.threads] == [thread.thread_id]
        renamed = await client.update_thread(thread.thread_id, title="Tides")
        assert renamed.title == "Tides"
        for question in ("one", "two"):
            await client.invoke(question, user_id="reader-1", thread_id=thread.thread_id)
        responses = await client.threads.get_responses(thread.thread_id)
        assert [response.input_messages[0].content for response in responses] == ["two", "one"]
        assert len(await client.threads.get_responses(thread.thread_id, limit=1, offset=1)) == 1
        await client.delete_thread(thread.thread_id)
        with pytest.raises(NotFoundError):
            await client.get_thread(thread.thread_id)
        with pytest.raises(NotFoundError):
            await client.get_response(responses[0].response_id)


async def test_bad_input_is_refused(async_client: AsyncClient) -> None:
    """Titles have a limit, ids are needed, user scope needs a user."""
    with pytest.raises(ValidationError, match="501 characters"):
        await async_client.create_thread(title="x" * 501)
    with pytest.raises(ValidationError, match="not a usable id"):
        await async_client.get_thread("")
    with pytest.raises(ValidationError, match="offset"):
        await async_client.list_threads(offset=-1)


async def test_user_scope_needs_a_user(local: LocalLumnis) -> None:
    """Creating and listing without a user is refused before anything is sent."""
    async with AsyncClient(local.api_key, base_url=local.base_url) as client:
        with pytest.raises(MissingUserId):
            await client.create_thread()
        with pytest.raises(MissingUserId):
            await client.list_threads()


async def test_all_threads_and_runs_can_be_iterated(local: LocalLumnis) -> None:
    """Pages are fetched as they are needed, and nothing is left out or repeated."""
    async with AsyncClient(local.api_key, base_url=local.base_url, user_id=f"reader-{uuid4()}") as client:
        made = [(await client.create_thread(title=str(number))).thread_id for number in range(5)]
        assert {thread.thread_id async for thread in client.threads.iter(page_size=2)} == set(made)
        runs = [(await client.invoke("Hi", thread_id=made[0])).response_id for _ in range(4)]
        assert [run.response_id async for run in client.responses.iter(page_size=2)] == runs[::-1]
        assert [run async for run in client.responses.iter(status="failed")] == []
