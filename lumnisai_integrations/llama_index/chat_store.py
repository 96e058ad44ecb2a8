"""Threads of the service as the chat store of LlamaIndex' ``Memory``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ParamSpec, TypeVar

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.storage.chat_store.base_db import AsyncDBChatStore, MessageStatus
from pydantic import Field

from lumnisai_core import Scope
from lumnisai_integrations._shared.conversation import Conversation
from lumnisai_integrations._shared.thread_reading import aread_runs
from lumnisai_integrations.llama_index.conversation import ChatConversation, chat_messages, put, replaced, status_of
from lumnisai_integrations.llama_index.sessions import FileSessions, ProcessSessions, Sessions
from lumnisai_integrations.llama_index.settings import LumnisConnection

P = ParamSpec("P")
T = TypeVar("T")


class LumnisChatStore(LumnisConnection, AsyncDBChatStore):
    """Keeps sessions in threads of the service, for ``Memory.from_defaults(chat_store=...)``.

    Each key is a session with a thread of its own. Messages that are added wait in the store until a run has taken
    them along, because the service stores messages only as part of a run; what :meth:`get_messages` returns says which
    those are, so that :class:`~lumnisai_integrations.llama_index.LumnisLLM` continues the thread with the rest.

    Which thread belongs to a key, what waits, and what is archived, the service has no place for: this is kept in the
    process, or in the file ``path``, with which a session goes on after a restart.

    A thread only grows. Whatever takes a message away that the thread holds leaves the thread, which stays on the
    service, and continues in a new one with the messages that are left. Archiving takes nothing away: the agent still
    knows the message.

    Args:
        user_id: User whose sessions these are: the same as of the LLM. Needed in user scope.
        scope: ``user`` (default) or ``tenant``.
        path: SQLite file for what the service has no place for. Sessions of other users, in the same file, are not
            seen. Use a file of its own for each service. Default: none; it ends with the process.
        threads: Threads of keys that the store does not know yet. Default: each gets a new one, when it is needed.
        api_key: API key. Default: environment variable ``LUMNISAI_API_KEY``. It is in no saved form.
        base_url: Address of the service. Default: ``LUMNISAI_BASE_URL``, then that of the platform.
        tenant_id: Tenant of a cross-tenant key. Default: ``LUMNISAI_TENANT_ID``, then the key's own tenant.
        timeout: Seconds to wait for a connection, for sending, and for an answer. Default 30.
        max_retries: Tries after the first one. Default 3.
        sessions: What is known of sessions, in a saved form of a store without a file.

    Raises:
        ConfigurationError: No API key, or a value that cannot work.
    """

    path: str | None = None
    threads: dict[str, str] = Field(default_factory=dict)
    sessions: dict[str, ChatConversation] = Field(default_factory=dict, repr=False)

    @classmethod
    def class_name(cls) -> str:
        """Return the name of the class."""
        return "LumnisChatStore"

    # Reading

    async def get_messages(
        self,
        key: str,
        status: MessageStatus | None = MessageStatus.ACTIVE,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[ChatMessage]:
        """Return the messages of a session, oldest first, as copies that say what the thread holds.

        Args:
            key: The session.
            status: Only these. None: all.
            limit: Most messages to return. Default: all.
            offset: Messages to pass over.

        Raises:
            NotFoundError: The thread was deleted.
            LumnisAIError: The service cannot be reached or refuses.
        """
        session = await self._read(key)
        if session.thread_id is None and session.unsent:
            session = await self._begin(key)
        messages = chat_messages(session, status)
        begin = offset or 0
        return messages[begin : None if limit is None else begin + limit]

    async def count_messages(self, key: str, status: MessageStatus | None = MessageStatus.ACTIVE) -> int:
        """Return how many messages a session has."""
        session = await self._read(key)
        return sum(status is None or status_of(message) == status for message in session.messages)

    async def get_keys(self) -> list[str]:
        """Return the keys of all sessions, and those that ``threads`` names."""
        return list(dict.fromkeys([*await self._kept(self._sessions().keys), *self.threads]))

    async def get_thread_id(self, key: str) -> str | None:
        """Return the thread of a session; None if it has none yet."""
        return (await self._known(key)).thread_id

    # Adding

    async def add_message(self, key: str, message: ChatMessage, status: MessageStatus = MessageStatus.ACTIVE) -> None:
        """Add a message. It waits until a run has taken it along; one that a run did take along is not doubled."""
        await self.add_messages(key, [message], status)

    async def add_messages(
        self, key: str, messages: list[ChatMessage], status: MessageStatus = MessageStatus.ACTIVE
    ) -> None:
        """Add several messages."""
        is_archived = status == MessageStatus.ARCHIVED

        await self._change(key, lambda known: (put(known, messages, is_archived=is_archived), None))

    async def set_messages(
        self, key: str, messages: list[ChatMessage], status: MessageStatus = MessageStatus.ACTIVE
    ) -> None:
        """Replace the messages of a session.

        Messages that :meth:`get_messages` returned, with others at the end, continue the thread if it holds no more
        than them.
        """
        is_archived = status == MessageStatus.ARCHIVED
        await self._read(key)
        await self._change(key, lambda known: (replaced(known, messages, is_archived=is_archived), None))

    # Taking away

    async def delete_message(self, key: str, idx: int) -> ChatMessage | None:
        """Delete one message and return it.

        Args:
            key: The session.
            idx: Position of the message in ``get_messages(key, status=None)``, from 0. None is there: nothing happens.
        """
        return next(iter(await self._delete(key, lambda known: [idx] if 0 <= idx < len(known.messages) else [])), None)

    async def delete_messages(self, key: str, status: MessageStatus | None = None) -> None:
        """Delete the messages of a session, all or those with one status; without messages, it is forgotten."""

        def choose(known: ChatConversation) -> list[int]:
            return [at for at, each in enumerate(known.messages) if status is None or status_of(each) == status]

        await self._delete(key, choose)

    async def delete_oldest_messages(self, key: str, n: int) -> list[ChatMessage]:
        """Delete the oldest messages of the queue and return them."""
        return await self._delete(key, lambda known: known.oldest(n))

    async def archive_oldest_messages(self, key: str, n: int) -> list[ChatMessage]:
        """Archive the oldest messages of the queue and return them."""

        def archive(known: ChatConversation) -> tuple[ChatConversation, list[ChatMessage]]:
            chosen, messages = known.oldest(n), chat_messages(known)
            return known.archived(chosen), [messages[at] for at in chosen]

        await self._read(key)
        return await self._change(key, archive)

    async def _delete(self, key: str, choose: Callable[[ChatConversation], Sequence[int]]) -> list[ChatMessage]:
        def delete(known: ChatConversation) -> tuple[ChatConversation | None, list[ChatMessage]]:
            chosen = choose(known)
            messages = chat_messages(replace(known, thread_id=None))
            left: ChatConversation | None = known.without(chosen)
            if len(chosen) == len(messages):
                # Forgotten, but not so that its thread comes back from `threads`.
                left = Conversation() if key in self.threads else None
            return left, [messages[at] for at in chosen]

        await self._read(key)
        return await self._change(key, delete)

    # Sessions

    async def _read(self, key: str) -> ChatConversation:
        known = await self._known(key)
        if (thread := known.thread_id) is None:
            return known
        runs = await aread_runs(self.aclient(), known)
        return await self._change(key, lambda session: _both(session.accept(thread, runs)))

    async def _begin(self, key: str) -> ChatConversation:
        made = (await self.aclient().threads.create(user_id=self.user_id, scope=self.scope)).thread_id
        session = await self._change(key, lambda known: _both(known.begin(made)))
        if session.thread_id != made:  # another call was faster
            await self.aclient().threads.delete(made)
        return session

    async def _known(self, key: str) -> ChatConversation:
        return await self._change(key, lambda known: (known, known))

    async def _change(self, key: str, change: Callable[[ChatConversation], tuple[ChatConversation | None, T]]) -> T:
        def change_kept(kept: ChatConversation | None) -> tuple[ChatConversation | None, T]:
            known = kept or Conversation(self.threads.get(key))
            changed, result = change(known)
            return kept if changed is known else changed, result

        return await self._kept(self._sessions().change, key, change_kept)

    async def _kept(self, use: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        if self.path is None:
            return use(*args, **named)
        return await asyncio.to_thread(use, *args, **named)  # a file may take its time

    def _sessions(self) -> Sessions:
        if self.path is None:
            return ProcessSessions(self.sessions)
        whose = None if self.scope == Scope.TENANT else self.user_id
        return FileSessions(self.path, json.dumps([self.tenant_id, whose]))


def _both(session: ChatConversation) -> tuple[ChatConversation, ChatConversation]:
    return session, session
