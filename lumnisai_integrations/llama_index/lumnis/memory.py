"""Memory of chat engines and agents in a thread of the service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Self

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.llms.llm import LLM
from llama_index.core.memory import BaseMemory
from pydantic import Field, PrivateAttr

from lumnisai_core import ResponseObject
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.clients import Id
from lumnisai_integrations._shared.conversation import Conversation
from lumnisai_integrations._shared.locks import changing
from lumnisai_integrations._shared.sending import note_read, runs_of_sent
from lumnisai_integrations._shared.thread_reading import aread_runs, read_runs
from lumnisai_integrations.llama_index.lumnis.conversation import (
    ChatConversation,
    chat_messages,
    expect,
    put,
    replaced,
    run_messages,
    tags_of,
)
from lumnisai_integrations.llama_index.lumnis.llm import LumnisLLM
from lumnisai_integrations.llama_index.lumnis.settings import LumnisConnection


class LumnisThreadMemory(LumnisConnection, BaseMemory):
    """Remembers a conversation in a thread of the service: the thread is the session.

    Together with :class:`~lumnisai_integrations.llama_index.LumnisLLM`, each message is sent once. The memory returns
    copies with tags for the thread and for whether it holds the message, and the LLM continues the thread with the
    rest. Messages that are put wait here until a run has stored them, because the service stores messages only as part
    of a run. With another LLM they all wait, and the memory is a plain list.

    Saved forms (``to_dict``, pydantic, pickle, a workflow's ``Context``) contain the thread and the messages, so that a
    restored memory continues the conversation. They do not contain the API key: in the same process a restored memory
    uses the key and the connections of the first one, in another process the key of the environment.

    Args:
        user_id: Owner of the conversation: the same as of the LLM. Needed in user scope.
        scope: ``user`` (default) or ``tenant``.
        thread_id: Conversation to continue. Default: a new one, made when it is first needed.
        api_key, base_url, tenant_id, timeout, max_retries: The connection, as of :class:`LumnisLLM`.
        conversation: The messages, in a saved form.
        connection: Reference to key and clients in a saved form, valid within one process.

    Raises:
        ConfigurationError: No API key, or an invalid value.
    """

    thread_id: Id | None = None
    conversation: ChatConversation = Field(default_factory=Conversation, repr=False)
    _is_made_here: bool = PrivateAttr(default=False)

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self.conversation = self._known()

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
            llm: A LumnisLLM, whose connection and user the memory uses.
            token_limit: Ignored: the service holds the history, not the prompt.
            **kwargs: Arguments of the class; they win over those of the LLM.

        Raises:
            ValidationError: There are both a history and a thread to continue.
        """
        if chat_history and kwargs.get("thread_id"):
            raise ValidationError(
                f"chat_history begins a new conversation, but thread_id={kwargs['thread_id']} continues one that "
                "exists: pass only one of the two."
            )
        names = LumnisConnection.model_fields.keys() - {"connection"} if isinstance(llm, LumnisLLM) else ()
        memory = cls(**{**{name: getattr(llm, name) for name in names}, **kwargs})
        memory.conversation = put(memory.conversation, chat_history or [])
        return memory

    # Blocking

    def get(self, input: str | None = None, **kwargs: Any) -> list[ChatMessage]:  # noqa: A002, ARG002
        """Return the conversation for the next run, as copies with tags.

        Args:
            input: The next message of the user, if it is not part of the memory yet.
            **kwargs: Ignored.

        Raises:
            NotFoundError: The thread was deleted.
            LumnisAIError: The service cannot be reached or refuses.
        """
        self._read()
        if self._needs_thread(input):
            made = self.client().threads.create(user_id=self.user_id, scope=self.scope).thread_id
            if not self._begin(made):
                self.client().threads.delete(made)  # another call was faster
        return self._for_run(input)

    def get_all(self) -> list[ChatMessage]:
        """Return the whole conversation, as :meth:`get` does, without making a thread."""
        self._read()
        return chat_messages(self.conversation)

    def put(self, message: ChatMessage) -> None:
        """Add a message. It waits until a run has stored it; one that a run has stored already is not doubled."""
        self.put_messages([message])

    def put_messages(self, messages: Sequence[ChatMessage]) -> None:
        """Add several messages."""
        named = next((thread for message in reversed(messages) if (thread := tags_of(message).thread_id)), None)

        def add(known: ChatConversation) -> ChatConversation:
            is_unused = known.thread_id is None or (self._is_made_here and not known.stored)
            if named is not None and named != known.thread_id and is_unused:
                known = replace(known, thread_id=named, is_read=False)
            return put(known, messages)

        self._change(add)

    def set(self, messages: Sequence[ChatMessage]) -> None:
        """Replace the conversation.

        Messages that :meth:`get` or :meth:`get_all` returned, with others at the end, continue the thread if it holds
        no others. Otherwise the conversation continues in a new thread; the old one stays on the service.
        """
        self._read()
        self._change(lambda known: replaced(known, messages))

    def reset(self) -> None:
        """Begin a new conversation in a new thread. The old thread stays on the service."""
        self._change(lambda _: Conversation())

    # Asyncio

    async def aget(self, input: str | None = None, **kwargs: Any) -> list[ChatMessage]:  # noqa: A002, ARG002
        """Do the same as :meth:`get` without blocking the event loop."""
        await self._aread()
        if self._needs_thread(input):
            made = (await self.aclient().threads.create(user_id=self.user_id, scope=self.scope)).thread_id
            if not self._begin(made):
                await self.aclient().threads.delete(made)
        return self._for_run(input)

    async def aget_all(self) -> list[ChatMessage]:
        """Do the same as :meth:`get_all` without blocking the event loop."""
        await self._aread()
        return chat_messages(self.conversation)

    async def aput(self, message: ChatMessage) -> None:
        """Do the same as :meth:`put`, which never waits."""
        self.put_messages([message])

    async def aput_messages(self, messages: Sequence[ChatMessage]) -> None:
        """Do the same as :meth:`put_messages`."""
        self.put_messages(messages)

    async def aset(self, messages: Sequence[ChatMessage]) -> None:
        """Do the same as :meth:`set` without blocking the event loop."""
        await self._aread()
        self._change(lambda known: replaced(known, messages))

    async def areset(self) -> None:
        """Do the same as :meth:`reset`."""
        self.reset()

    # Reading the thread, and beginning one

    def _read(self) -> None:
        known = self._known()
        if known.thread_id is not None:
            self._accept(known.thread_id, read_runs(self.client(), known))

    async def _aread(self) -> None:
        known = self._known()
        if known.thread_id is not None:
            self._accept(known.thread_id, await aread_runs(self.aclient(), known))

    # The conversation

    def _known(self) -> ChatConversation:
        return replace(self.conversation, thread_id=self.thread_id)

    def _change(self, change: Callable[[ChatConversation], ChatConversation]) -> None:
        with changing():
            self.conversation = change(self._known())
            self.thread_id = self.conversation.thread_id

    def _accept(self, thread_id: str, runs: Sequence[ResponseObject]) -> None:
        sent = runs_of_sent(thread_id)
        self._change(lambda known: known.accept(thread_id, runs, questions_first=True, sent=sent))
        note_read(self.conversation, runs)

    def _begin(self, thread_id: str) -> bool:
        self._change(lambda known: known.begin(thread_id))
        self._is_made_here = self._is_made_here or self.thread_id == thread_id
        return self.thread_id == thread_id

    def _needs_thread(self, question: str | None) -> bool:
        return self.thread_id is None and (question is not None or bool(self.conversation.unsent))

    def _for_run(self, question: str | None) -> list[ChatMessage]:
        expect(self.conversation, question)
        return run_messages(self.conversation)
