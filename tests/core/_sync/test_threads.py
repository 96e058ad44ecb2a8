# Generated from tests/core/_async/test_threads.py by `make sync`; edit that file.
"""Threads through the client, over real sockets against the embedded service."""

from __future__ import annotations

from uuid import uuid4

import pytest

from lumnisai_core import Client
from lumnisai_core.exceptions import MissingUserId, NotFoundError, ValidationError
from lumnisai_core.local import LocalLumnis


def test_the_life_of_a_thread(local: LocalLumnis) -> None:
    """Create, get, list, update, use and delete, by resource and by short name."""
    with Client(local.api_key, base_url=local.base_url) as client:
        thread = client.create_thread(user_id="reader-1", title="Research Project")
        assert thread.title == "Research Project"
        assert (client.get_thread(thread.thread_id)) == thread
        listed = client.list_threads(user_id="reader-1")
        assert [found.thread_id for found in listed.threads] == [thread.thread_id]
        renamed = client.update_thread(thread.thread_id, title="Tides")
        assert renamed.title == "Tides"
        for question in ("one", "two"):
            client.invoke(question, user_id="reader-1", thread_id=thread.thread_id)
        responses = client.threads.get_responses(thread.thread_id)
        assert [response.input_messages[0].content for response in responses] == ["two", "one"]
        assert len(client.threads.get_responses(thread.thread_id, limit=1, offset=1)) == 1
        client.delete_thread(thread.thread_id)
        with pytest.raises(NotFoundError):
            client.get_thread(thread.thread_id)
        with pytest.raises(NotFoundError):
            client.get_response(responses[0].response_id)


def test_bad_input_is_refused(client: Client) -> None:
    """Titles have a limit, ids are needed, user scope needs a user."""
    with pytest.raises(ValidationError, match="501 characters"):
        client.create_thread(title="x" * 501)
    with pytest.raises(ValidationError, match="not a usable id"):
        client.get_thread("")
    with pytest.raises(ValidationError, match="offset"):
        client.list_threads(offset=-1)


def test_user_scope_needs_a_user(local: LocalLumnis) -> None:
    """Creating and listing without a user is refused before anything is sent."""
    with Client(local.api_key, base_url=local.base_url) as client:
        with pytest.raises(MissingUserId):
            client.create_thread()
        with pytest.raises(MissingUserId):
            client.list_threads()


def test_all_threads_and_runs_can_be_iterated(local: LocalLumnis) -> None:
    """Pages are fetched as they are needed, and nothing is left out or repeated."""
    with Client(local.api_key, base_url=local.base_url, user_id=f"reader-{uuid4()}") as client:
        made = [(client.create_thread(title=str(number))).thread_id for number in range(5)]
        assert {thread.thread_id for thread in client.threads.iter(page_size=2)} == set(made)
        runs = [(client.invoke("Hi", thread_id=made[0])).response_id for _ in range(4)]
        assert [run.response_id for run in client.responses.iter(page_size=2)] == runs[::-1]
        assert [run for run in client.responses.iter(status="failed")] == []
