"""Chat store for LlamaIndex' ``Memory`` in threads of the service."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Annotated

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.storage.chat_store.base_db import AsyncDBChatStore, MessageStatus
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from lumnisai_core import Scope
from lumnisai_core.exceptions import ConfigurationError
from lumnisai_integrations._shared.conversation import Conversation
from lumnisai_integrations._shared.locks import changing
from lumnisai_integrations._shared.sending import note_read, runs_of_sent
from lumnisai_integrations._shared.thread_reading import aread_runs
from lumnisai_integrations.llama_index.lumnis.conversation import (
    ChatConversation,
    chat_messages,
    put,
    replaced,
    run_messages,
    status_of,
)
from lumnisai_integrations.llama_index.lumnis.settings import LumnisConnection

#: From a session to what replaces it; None to forget it.
Change = Callable[[ChatConversation], ChatConversation | None]


def _plain_path(path: object) -> object:
    return os.fspath(path) if isinstance(path, os.PathLike) else path


_saved_form = TypeAdapter(ChatConversation)
_SECONDS_FOR_ANOTHER_WRITER = 30.0
_TABLE = """
    CREATE TABLE IF NOT EXISTS lumnis_sessions (
        owner TEXT NOT NULL, key TEXT NOT NULL, session TEXT NOT NULL, PRIMARY KEY (owner, key)
    )
"""
_WRITE = """
    INSERT INTO lumnis_sessions VALUES (?, ?, ?) ON CONFLICT (owner, key) DO UPDATE SET session = excluded.session
"""


class LumnisChatStore(LumnisConnection, AsyncDBChatStore):
    """Keeps sessions in threads of the service, for ``Memory.from_defaults(chat_store=...)``.

    Each key is a session with a thread of its own. Messages that are added wait in the store until a run has stored
    them, because the service stores messages only as part of a run. :meth:`get_messages` returns tagged copies, so that
    :class:`~lumnisai_integrations.llama_index.LumnisLLM` continues the thread with the messages that it lacks.

    The service does not keep the thread of a key, messages that wait, and what is archived. The store keeps these in
    the process, or in the file ``path``, so that a session continues after a restart.

    A thread only grows. Deleting a message that the thread holds leaves the thread, which stays on the service, and
    continues in a new one with the messages that are left. Archiving deletes nothing: the agent still knows the
    message.

    Args:
        user_id: Owner of the sessions: the same as of the LLM. Needed in user scope.
        scope: ``user`` (default) or ``tenant``.
        path: SQLite file (text or ``Path``) for what the service does not keep. Several users may share a file and do
            not see each other's sessions. Use one file for each service. Default: none; sessions end with the process.
        threads: Threads of keys that the store does not know yet. Default: each gets a new one, when it is needed.
        api_key, base_url, tenant_id, timeout, max_retries: The connection, as of :class:`LumnisLLM`. No saved
            form contains the key.
        sessions: The sessions, in a saved form of a store without a file.

    Raises:
        ConfigurationError: No API key, or an invalid value.
    """

    path: Annotated[str, BeforeValidator(_plain_path)] | None = None
    threads: dict[str, str] = Field(default_factory=dict)
    sessions: dict[str, ChatConversation] = Field(default_factory=dict, repr=False)

    @classmethod
    def class_name(cls) -> str:
        """Return the name of the class."""
        return "LumnisChatStore"

    async def get_messages(
        self,
        key: str,
        status: MessageStatus | None = MessageStatus.ACTIVE,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[ChatMessage]:
        """Return the messages of a session, oldest first, as copies with tags; ``status=None`` returns all.

        Raises:
            NotFoundError: The thread was deleted.
            LumnisAIError: The service cannot be reached or refuses.
        """
        session = await self._read(key)
        if session.thread_id is None and session.unsent:
            session = await self._begin(key)
        # Only the queue is read for a run.
        messages = chat_messages(session, status) if status is None else run_messages(session, status)
        begin = offset or 0
        return messages[begin : None if limit is None else begin + limit]

    async def count_messages(self, key: str, status: MessageStatus | None = MessageStatus.ACTIVE) -> int:
        """Return how many messages a session has."""
        session = await self._read(key)
        return sum(status is None or status_of(message) == status for message in session.messages)

    async def get_keys(self) -> list[str]:
        """Return the keys of all sessions, and those that ``threads`` names."""
        keys = list(self.sessions) if self.path is None else await asyncio.to_thread(self._keys_in_file, self.path)
        return list(dict.fromkeys([*keys, *self.threads]))

    async def get_thread_id(self, key: str) -> str | None:
        """Return the thread of a session; None if it has none yet."""
        return (await self._known(key)).thread_id

    async def add_message(self, key: str, message: ChatMessage, status: MessageStatus = MessageStatus.ACTIVE) -> None:
        """Add a message. It waits until a run has stored it; one that a run has stored already is not doubled."""
        await self.add_messages(key, [message], status)

    async def add_messages(
        self, key: str, messages: list[ChatMessage], status: MessageStatus = MessageStatus.ACTIVE
    ) -> None:
        """Add several messages."""
        archived = status == MessageStatus.ARCHIVED
        await self._change(key, lambda known: put(known, messages, is_archived=archived))

    async def set_messages(
        self, key: str, messages: list[ChatMessage], status: MessageStatus = MessageStatus.ACTIVE
    ) -> None:
        """Replace the messages of a session.

        Messages that :meth:`get_messages` returned, with others at the end, continue the thread if it holds no others.
        """
        is_archived = status == MessageStatus.ARCHIVED
        await self._read(key)
        await self._change(key, lambda known: replaced(known, messages, is_archived=is_archived))

    async def delete_message(self, key: str, idx: int) -> ChatMessage | None:
        """Delete the message at a position of ``get_messages(key, status=None)``, if there is one, and return it."""
        deleted = await self._delete(key, lambda known: [idx] if 0 <= idx < len(known.messages) else [])
        return deleted[0] if deleted else None

    async def delete_messages(self, key: str, status: MessageStatus | None = None) -> None:
        """Delete the messages of a session, all or those with one status. A session without messages is forgotten."""

        def choose(known: ChatConversation) -> list[int]:
            return [at for at, each in enumerate(known.messages) if status is None or status_of(each) == status]

        await self._delete(key, choose)

    async def delete_oldest_messages(self, key: str, n: int) -> list[ChatMessage]:
        """Delete the oldest messages of the queue and return them."""
        return await self._delete(key, lambda known: known.oldest(n))

    async def archive_oldest_messages(self, key: str, n: int) -> list[ChatMessage]:
        """Archive the oldest messages of the queue and return them."""
        await self._read(key)
        before, _ = await self._change(key, lambda known: known.archived(known.oldest(n)))
        messages = chat_messages(before)
        return [messages[at] for at in before.oldest(n)]

    async def _delete(self, key: str, choose: Callable[[ChatConversation], Sequence[int]]) -> list[ChatMessage]:
        def delete(known: ChatConversation) -> ChatConversation | None:
            chosen = choose(known)
            if len(chosen) < len(known.messages):
                return known.without(chosen)
            # It is forgotten, but its thread must not come back from `threads`.
            return Conversation() if key in self.threads else None

        await self._read(key)
        before, _ = await self._change(key, delete)
        messages = chat_messages(replace(before, thread_id=None))
        return [messages[at] for at in choose(before)]

    async def _read(self, key: str) -> ChatConversation:
        known = await self._known(key)
        if (thread := known.thread_id) is None:
            return known
        runs = await aread_runs(self.aclient(), known)
        sent = runs_of_sent(thread)
        _, session = await self._change(key, lambda known: known.accept(thread, runs, sent=sent))
        note_read(session, runs)
        return session

    async def _begin(self, key: str) -> ChatConversation:
        made = (await self.aclient().threads.create(user_id=self.user_id, scope=self.scope)).thread_id
        _, session = await self._change(key, lambda known: known.begin(made))
        if session.thread_id != made:  # another call was faster
            await self.aclient().threads.delete(made)
        return session

    async def _known(self, key: str) -> ChatConversation:
        _, session = await self._change(key, lambda known: known)
        return session

    async def _change(self, key: str, change: Change) -> tuple[ChatConversation, ChatConversation]:
        """Change a session, one change at a time, and return it as it was and as it is."""
        if self.path is not None:
            return await asyncio.to_thread(self._change_in_file, self.path, key, change)
        unknown = Conversation[ChatMessage](self.threads.get(key))
        with changing():
            before = self.sessions.get(key, unknown)
            after = change(before)
            if after is None:
                self.sessions.pop(key, None)
            elif after is not before:
                self.sessions[key] = after
            return before, after or unknown

    def _change_in_file(self, path: str, key: str, change: Change) -> tuple[ChatConversation, ChatConversation]:
        unknown, where = Conversation[ChatMessage](self.threads.get(key)), (self._owner(), key)
        with _database(path) as database:
            database.execute("BEGIN IMMEDIATE")  # several processes may use the file at once
            query = "SELECT session FROM lumnis_sessions WHERE owner = ? AND key = ?"
            row = database.execute(query, where).fetchone()
            before = unknown if row is None else _saved_form.validate_json(row[0])
            after = change(before)
            if after is None:
                database.execute("DELETE FROM lumnis_sessions WHERE owner = ? AND key = ?", where)
            elif after is not before:
                database.execute(_WRITE, (*where, _saved_form.dump_json(after).decode()))
            database.execute("COMMIT")
            return before, after or unknown

    def _keys_in_file(self, path: str) -> list[str]:
        with _database(path) as database:
            query = "SELECT key FROM lumnis_sessions WHERE owner = ? ORDER BY rowid"
            return [key for (key,) in database.execute(query, (self._owner(),))]

    def _owner(self) -> str:
        return json.dumps([self.tenant_id, None if self.scope == Scope.TENANT else self.user_id])


@contextmanager
def _database(path: str) -> Iterator[sqlite3.Connection]:
    """Open the file of sessions. It is made when it is first needed, readable by its owner only."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        waits = _SECONDS_FOR_ANOTHER_WRITER
        with closing(sqlite3.connect(path, timeout=waits, isolation_level=None)) as database:
            database.execute(_TABLE)
            yield database
    except (OSError, sqlite3.Error, ValidationError) as error:
        raise ConfigurationError(
            f"The sessions cannot be kept in path={path!r}: {error}. Name an SQLite file of this store, or one that "
            "does not exist yet in a folder that can be written to."
        ) from error
