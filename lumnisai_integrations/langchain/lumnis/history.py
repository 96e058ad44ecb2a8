"""Chat message history of LangChain in a thread of the platform."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TypedDict, Unpack
from uuid import UUID

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage
from pydantic import SecretStr

from lumnisai_core import AsyncClient, Client, ResponseObject, Scope, ThreadObject
from lumnisai_core.exceptions import ConfigurationError, NotFoundError, ValidationError
from lumnisai_integrations._shared.thread_reading import aread_runs, read_runs
from lumnisai_integrations.langchain.errors import model_errors
from lumnisai_integrations.langchain.lumnis.conversation import HistoryState
from lumnisai_integrations.langchain.lumnis.settings import LumnisConnection

_LONGEST_TITLE = 500


class ConnectionArguments(TypedDict, total=False):
    """Connection arguments of a history without a client of yours; the same as the fields of ``ChatLumnis``."""

    api_key: str | SecretStr | None
    base_url: str | None
    tenant_id: str | None
    timeout: float | None
    max_retries: int | None


class LumnisChatMessageHistory(BaseChatMessageHistory):
    """A thread of the Lumnis platform as the memory of a conversation.

    A thread grows by runs: each stores the messages that were sent to it and its answer. A history reads them, and
    adding a message that a run has stored adds nothing. Other messages are kept in this object and sent with the next
    run: ``ChatLumnis`` sends what the thread lacks, both with ``history.messages`` as its input and inside of
    ``RunnableWithMessageHistory``.

    Messages are copies. Their ``additional_kwargs`` have the thread (``lumnis_thread_id``) and whether it holds them
    (``lumnis_persisted``); changing a copy changes nothing on the thread. Messages of runs that failed, were cancelled
    or are under way are not part of the conversation; the agent does not know them either.

    A history may be shared by threads and event loops. Nothing is sent before the first use.

    Args:
        thread_id: The thread. Default: that of the first answer that is added, or of :meth:`create_thread`.
        user_id: Owner of the thread. Needed in user scope to make or list threads.
        scope: ``user`` (default) or ``tenant``.
        title: Title of a new thread. Default: the service makes one after the first run.
        client: Your own client for blocking calls, instead of connection arguments. It is never closed.
        async_client: The same for asyncio calls.
        **connection: ``api_key``, ``base_url``, ``tenant_id``, ``timeout`` and ``max_retries`` as of ``ChatLumnis``.

    Raises:
        ConfigurationError: No API key, or arguments that exclude each other.
        ValidationError: ``thread_id`` is blank, or ``title`` too long.
    """

    def __init__(
        self,
        thread_id: str | UUID | None = None,
        *,
        user_id: str | UUID | None = None,
        scope: Scope | str | None = None,
        title: str | None = None,
        client: Client | None = None,
        async_client: AsyncClient | None = None,
        **connection: Unpack[ConnectionArguments],
    ) -> None:
        super().__init__()
        with model_errors():
            has_client = client is not None or async_client is not None
            if has_client and connection:
                raise ConfigurationError(f"A client has its own connection: leave out {', '.join(sorted(connection))}.")
            self._own = None if has_client else LumnisConnection(**connection)
            self._state = HistoryState(None if thread_id is None else _usable_thread_id(thread_id))
            self._title = _usable_title(title)
        self._client = client
        self._async_client = async_client
        self._user_id = user_id
        self._scope = scope

    def __repr__(self) -> str:
        return f"{type(self).__name__}(thread_id={self.thread_id!r}, user_id={self._user_id!r})"

    @property
    def thread_id(self) -> str | None:
        """The thread; None if there is none yet. Sends nothing."""
        return self._state.conversation.thread_id

    @property
    def lumnis_thread_id(self) -> str | None:
        """The same as :attr:`thread_id`."""
        return self.thread_id

    # Blocking

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override] # every history of the framework does this
        """Copies of the thread's messages, oldest first, then those for the next run.

        Raises:
            NotFoundError: The thread does not exist, or was deleted.
        """
        with model_errors():
            return self._state.messages(*self._new_runs())

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Keep messages for the next run, except those that runs have stored already.

        An answer of ``ChatLumnis`` is on the thread, and so are the messages added right before it. Others are looked
        for by role and text in runs that are newer than the last reading; to recognise an exchange, its question or
        its answer is enough.

        Args:
            messages: The messages, oldest first.

        Raises:
            ValidationError: A message cannot be sent, or an answer is of another thread. Nothing was added.
        """
        with model_errors():
            is_new, must_read = self._state.start_adding(messages)
            self._state.add(messages, *(self._new_runs() if must_read else ()))
            if is_new and self._title is not None:
                self.set_title(self._title)

    def clear(self) -> None:
        """Delete the thread with its runs. The next answer or :meth:`create_thread` begins another."""
        with model_errors():
            if self.thread_id is not None:
                with suppress(NotFoundError):  # somebody else has deleted it
                    self._blocking().threads.delete(self.thread_id)
            self._state.forget()

    def create_thread(self) -> str:
        """Return the id of the thread, which is made now if there is none."""
        with model_errors():
            if self.thread_id is None:
                made = self._blocking().threads.create(user_id=self._user_id, scope=self._scope, title=self._title)
                if not self._state.begin(made.thread_id):  # another call was faster
                    self._blocking().threads.delete(made.thread_id)
            return self.thread_id or self.create_thread()

    def adopt_thread(self, thread_id: str | UUID) -> None:
        """Continue a thread, if there is none yet. Sends nothing.

        Raises:
            ValidationError: The history is on another thread.
        """
        with model_errors():
            self._state.adopt([_usable_thread_id(thread_id)])

    def set_title(self, title: str) -> None:
        """Set the title of the thread, or of the thread that is made later.

        Args:
            title: The title, up to 500 characters.
        """
        with model_errors():
            self._title = _usable_title(title)
            if self.thread_id is not None:
                self._blocking().threads.update(self.thread_id, title=title)

    def get_title(self) -> str | None:
        """Return the title of the thread, or of the thread that is made later."""
        with model_errors():
            return self._title if self.thread_id is None else self._blocking().threads.get(self.thread_id).title

    def list_threads(self, *, limit: int = 50, offset: int = 0) -> list[ThreadObject]:
        """Return threads of the user, or in tenant scope of the tenant.

        Args:
            limit: Threads to return, 1 to 100.
            offset: Threads to skip.
        """
        with model_errors():
            page = self._blocking().threads.list(user_id=self._user_id, scope=self._scope, limit=limit, offset=offset)
            return page.threads

    def close(self) -> None:
        """Close the connections of blocking calls; a client of yours stays open."""
        if self._own is not None:
            self._own.close()

    # The same with asyncio

    async def aget_messages(self) -> list[BaseMessage]:
        """Return :attr:`messages` with asyncio."""
        with model_errors():
            return self._state.messages(*await self._anew_runs())

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Do the same as :meth:`add_messages` with asyncio."""
        with model_errors():
            is_new, must_read = self._state.start_adding(messages)
            self._state.add(messages, *(await self._anew_runs() if must_read else ()))
            if is_new and self._title is not None:
                await self.aset_title(self._title)

    async def aclear(self) -> None:
        """Do the same as :meth:`clear` with asyncio."""
        with model_errors():
            if self.thread_id is not None:
                with suppress(NotFoundError):
                    await self._asyncio().threads.delete(self.thread_id)
            self._state.forget()

    async def acreate_thread(self) -> str:
        """Do the same as :meth:`create_thread` with asyncio."""
        with model_errors():
            if self.thread_id is None:
                threads = self._asyncio().threads
                made = await threads.create(user_id=self._user_id, scope=self._scope, title=self._title)
                if not self._state.begin(made.thread_id):
                    await threads.delete(made.thread_id)
            return self.thread_id or await self.acreate_thread()

    async def aset_title(self, title: str) -> None:
        """Do the same as :meth:`set_title` with asyncio."""
        with model_errors():
            self._title = _usable_title(title)
            if self.thread_id is not None:
                await self._asyncio().threads.update(self.thread_id, title=title)

    async def aget_title(self) -> str | None:
        """Do the same as :meth:`get_title` with asyncio."""
        with model_errors():
            if self.thread_id is None:
                return self._title
            return (await self._asyncio().threads.get(self.thread_id)).title

    async def alist_threads(self, *, limit: int = 50, offset: int = 0) -> list[ThreadObject]:
        """Do the same as :meth:`list_threads` with asyncio."""
        with model_errors():
            threads = self._asyncio().threads
            page = await threads.list(user_id=self._user_id, scope=self._scope, limit=limit, offset=offset)
            return page.threads

    async def aclose(self) -> None:
        """Close the connections of asyncio calls in the running event loop; a client of yours stays open."""
        if self._own is not None:
            await self._own.aclose()

    # Reading

    def _new_runs(self) -> tuple[str | None, list[ResponseObject]]:
        known = self._state.conversation
        return known.thread_id, read_runs(self._blocking(), known) if known.thread_id else []

    async def _anew_runs(self) -> tuple[str | None, list[ResponseObject]]:
        known = self._state.conversation
        return known.thread_id, await aread_runs(self._asyncio(), known) if known.thread_id else []

    def _blocking(self) -> Client:
        if self._client is not None:
            return self._client
        if self._own is None:
            raise ConfigurationError("This history has only an async_client: also pass client=Client(...).")
        return self._own._client()

    def _asyncio(self) -> AsyncClient:
        if self._async_client is not None:
            return self._async_client
        if self._own is None:
            raise ConfigurationError("This history has only a client: also pass async_client=AsyncClient(...).")
        return self._own._aclient()


def _usable_thread_id(thread_id: str | UUID) -> str:
    text = str(thread_id).strip()
    if not text:
        raise ValidationError(
            f"thread_id must be a non-empty string, got {str(thread_id)!r}: pass the id of a thread, or None for a new "
            "one."
        )
    return text


def _usable_title(title: str | None) -> str | None:
    # A title may be used long after it was set, so that the core's own check would come too late.
    if title is not None and len(title) > _LONGEST_TITLE:
        raise ValidationError(f"title must have at most {_LONGEST_TITLE} characters, got {len(title)}.")
    return title
