"""A thread of the service as the memory of chat engines and agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.llms.llm import LLM
from llama_index.core.memory import BaseMemory
from pydantic import Field, PrivateAttr

from lumnisai_core import ResponseObject
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.clients import Id
from lumnisai_integrations._shared.threads import THREAD_ID
from lumnisai_integrations.llama_index.conversation import Conversation, tagged
from lumnisai_integrations.llama_index.llm import LumnisLLM
from lumnisai_integrations.llama_index.sessions import ModelLock
from lumnisai_integrations.llama_index.settings import LumnisConnection, key_of, share
from lumnisai_integrations.llama_index.thread_news import aread_news, read_news

_CONNECTION_FIELDS = tuple(LumnisConnection.model_fields)


class LumnisThreadMemory(LumnisConnection, BaseMemory):
    """Remembers a conversation in a thread of the service: the thread is the session.

    Together with :class:`~lumnisai_integrations.llama_index.LumnisLLM`, each message is sent once. The memory returns
    copies that say what the thread holds already, and the LLM continues the thread with the rest. Messages that are
    put wait here until a run has taken them along, because the service stores messages only as part of a run. With
    another LLM they all wait, and the memory is a plain list.

    Saved forms (``to_dict``, pydantic, pickle, a workflow's ``Context``) carry the thread and the messages, so that a
    restored memory continues the conversation. They do not carry the API key: in the same process a restored memory
    uses the key and the connections of the first one, in another process the key of the environment.

    Args:
        user_id: User whose conversation it is: the same as of the LLM. Needed in user scope.
        scope: ``user`` (default) or ``tenant``.
        thread_id: Conversation to continue. Default: a new one, made when it is first needed.
        api_key: API key. Default: environment variable ``LUMNISAI_API_KEY``.
        base_url: Address of the service. Default: ``LUMNISAI_BASE_URL``, then that of the platform.
        tenant_id: Tenant of a cross-tenant key. Default: ``LUMNISAI_TENANT_ID``, then the key's own tenant.
        timeout: Seconds to wait for a connection, for sending, and for an answer. Default 30.
        max_retries: Tries after the first one. Default 3.
        conversation: What is known of the conversation, in a saved form.
        connection: Stands for key and connections in a saved form, within one process.

    Raises:
        ConfigurationError: No API key, or a value that cannot work.
    """

    thread_id: Id | None = None
    conversation: Conversation = Field(default_factory=Conversation, repr=False)
    connection: str | None = Field(default=None, repr=False)

    _lock: ModelLock = PrivateAttr(default_factory=ModelLock)
    _is_made_here: bool = PrivateAttr(default=False)

    def __init__(self, **fields: Any) -> None:
        fields.pop("class_name", None)  # part of what pydantic dumps
        if fields.get("api_key") is None:
            fields["api_key"] = key_of(fields.get("connection"), fields.get("base_url"))
        super().__init__(**fields)
        self.connection, self._clients = share(self._client_settings())

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serializes this class."""
        return "LumnisThreadMemory"

    @classmethod
    def from_defaults(
        cls,
        chat_history: list[ChatMessage] | None = None,
        llm: LLM | None = None,
        token_limit: int | None = None,  # noqa: ARG003 - chat engines pass it to any memory
        **kwargs: Any,
    ) -> Self:
        """Make a memory.

        Args:
            chat_history: Messages to begin with, on a new thread.
            llm: A LumnisLLM, whose connection and user the memory takes over.
            token_limit: Has no effect: the service holds the history, not the prompt.
            **kwargs: Arguments of the class; they win over those of the LLM.

        Raises:
            ValidationError: Both a history and a thread to continue are given.
        """
        if chat_history and kwargs.get("thread_id"):
            raise ValidationError(
                f"chat_history is for a new conversation, but thread_id={kwargs['thread_id']} names one that exists: "
                "give one of the two."
            )
        known = {}
        if isinstance(llm, LumnisLLM):
            known = {name: getattr(llm, name) for name in _CONNECTION_FIELDS}
        memory = cls(**{**known, **kwargs})
        memory.conversation = memory.conversation.put(chat_history or [])
        return memory

    # Blocking

    def get(self, input: str | None = None, **kwargs: Any) -> list[ChatMessage]:  # noqa: A002, ARG002
        """Return the conversation for the next run, as copies that say what the thread holds.

        Args:
            input: What the user says next, if that is not part of the memory yet. Then the result is never empty: an
                empty message of the system carries the thread for the first run.
            **kwargs: Have no effect.

        Raises:
            NotFoundError: The thread was deleted.
            LumnisAIError: The service cannot be reached or refuses.
        """
        self._read()
        if self._needs_thread(input) and not self._begin(made := self._make()):
            self.client().threads.delete(made)  # another call was faster
        return self._for_run(input)

    def get_all(self) -> list[ChatMessage]:
        """Return the whole conversation, as :meth:`get` does, without making a thread."""
        self._read()
        return self._messages()

    def put(self, message: ChatMessage) -> None:
        """Add a message. It waits until a run has taken it along; one that a run did take along is not doubled."""
        self.put_messages([message])

    def put_messages(self, messages: Sequence[ChatMessage]) -> None:
        """Add several messages."""
        with self._lock:
            named = next((thread for message in reversed(messages) if (thread := _thread_of(message))), None)
            if named is not None and named != self.thread_id and self._is_unused():
                self.thread_id, self.conversation = named, self.conversation.model_copy(update={"is_read": False})
            self.conversation = self.conversation.put(messages)

    def set(self, messages: Sequence[ChatMessage]) -> None:
        """Replace the conversation.

        Messages that :meth:`get` or :meth:`get_all` returned, with others at the end, continue the thread if it holds
        no more than them. Otherwise the conversation goes on in a new thread; the old one stays on the service.
        """
        self._read()
        self._replace(messages)

    def reset(self) -> None:
        """Begin a new conversation in a new thread. The old thread stays on the service."""
        with self._lock:
            self.thread_id, self.conversation = None, Conversation()

    # Asyncio

    async def aget(self, input: str | None = None, **kwargs: Any) -> list[ChatMessage]:  # noqa: A002, ARG002
        """Do the same as :meth:`get` without blocking the event loop."""
        await self._aread()
        if self._needs_thread(input) and not self._begin(made := await self._amake()):
            await self.aclient().threads.delete(made)
        return self._for_run(input)

    async def aget_all(self) -> list[ChatMessage]:
        """Do the same as :meth:`get_all` without blocking the event loop."""
        await self._aread()
        return self._messages()

    async def aput(self, message: ChatMessage) -> None:
        """Do the same as :meth:`put`, which never waits."""
        self.put_messages([message])

    async def aput_messages(self, messages: Sequence[ChatMessage]) -> None:
        """Do the same as :meth:`put_messages`."""
        self.put_messages(messages)

    async def aset(self, messages: Sequence[ChatMessage]) -> None:
        """Do the same as :meth:`set` without blocking the event loop."""
        await self._aread()
        self._replace(messages)

    async def areset(self) -> None:
        """Do the same as :meth:`reset`."""
        self.reset()

    # Reading the thread, and beginning one

    def _read(self) -> None:
        if (thread := self.thread_id) is not None:
            self._accept(thread, read_news(self.client(), thread, self.conversation))

    async def _aread(self) -> None:
        if (thread := self.thread_id) is not None:
            self._accept(thread, await aread_news(self.aclient(), thread, self.conversation))

    def _make(self) -> str:
        return self.client().threads.create(user_id=self.user_id, scope=self.scope).thread_id

    async def _amake(self) -> str:
        return (await self.aclient().threads.create(user_id=self.user_id, scope=self.scope)).thread_id

    # What is known, under a lock: streams put their answer from a thread of their own

    def _accept(self, thread_id: str, runs: Sequence[ResponseObject]) -> None:
        with self._lock:
            if self.thread_id == thread_id:
                self.conversation = self.conversation.accept(runs, with_answers=True)

    def _begin(self, thread_id: str) -> bool:
        with self._lock:
            if self.thread_id is not None:
                return False
            self.thread_id, self._is_made_here = thread_id, True
            self.conversation = self.conversation.accept([])
            return True

    def _replace(self, messages: Sequence[ChatMessage]) -> None:
        with self._lock:
            continued = self.conversation.replaced(messages, self.thread_id)
            if continued is None:
                self.thread_id, continued = None, Conversation().put(messages)
            self.conversation = continued

    def _needs_thread(self, awaited: str | None) -> bool:
        return self.thread_id is None and (awaited is not None or bool(self.conversation.pending))

    def _is_unused(self) -> bool:
        return self.thread_id is None or (self._is_made_here and not self.conversation.stored)

    def _messages(self) -> list[ChatMessage]:
        with self._lock:
            return self.conversation.messages(self.thread_id)

    def _for_run(self, awaited: str | None) -> list[ChatMessage]:
        messages = self._messages()
        if messages or awaited is None:
            return messages
        return [tagged(ChatMessage(role=MessageRole.SYSTEM, content=""), self.thread_id, is_stored=True)]


def _thread_of(message: ChatMessage) -> str | None:
    named = message.additional_kwargs.get(THREAD_ID)
    return named if isinstance(named, str) and named else None
