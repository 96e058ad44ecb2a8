"""Chat store of LlamaIndex in a collection of Lumi.new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.storage.chat_store.base import BaseChatStore
from pydantic import ConfigDict

from lumnisai_core.lumi import Document
from lumnisai_integrations._shared.lumi.connection import LumiConnection
from lumnisai_integrations._shared.lumi.documents import CONVERSATIONS, Sessions

_SESSIONS = Sessions("llama_index")


class LumiChatStore(LumiConnection, BaseChatStore):
    """Conversations in a collection of Lumi.new, a document for each message.

    >>> memory = ChatMemoryBuffer.from_defaults(chat_store=LumiChatStore(), chat_store_key="session-1")

    Messages come back as they were. Documents also have ``role`` and ``text``, for people and other programs. Who may
    read them is decided by the application's rules for the collection. A store may be shared by threads and event
    loops.

    Args:
        collection: Name of the collection. Default: ``ChatMessages``.
        project_id, api_base_url, authorization, api_key, sign_key, top_access_key, timeout, max_retries: The
            connection, as of :class:`LumiLLM`.
        client, async_client: Your own clients, instead of the connection.

    Raises:
        ConfigurationError: There is no application, or a value is not valid.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    collection: str = CONVERSATIONS

    def __init__(self, **fields: Any) -> None:
        fields.pop("class_name", None)  # part of what pydantic dumps
        super().__init__(**fields)
        self.check_connection()

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serializes this class."""
        return "LumiChatStore"

    # Blocking

    def get_messages(self, key: str) -> list[ChatMessage]:
        """Return the messages of a conversation, oldest first."""
        return _messages(self._read(key))

    def set_messages(self, key: str, messages: list[ChatMessage]) -> None:
        """Replace the messages of a conversation. The new ones are stored before the old ones are deleted."""
        before = self._read(key)
        self._entity().create_many(_rows(key, messages))
        self._entity().delete_many(_ids(before))

    def add_message(self, key: str, message: ChatMessage) -> None:
        """Add a message to a conversation."""
        self._entity().create_many(_rows(key, [message]))

    def delete_messages(self, key: str) -> list[ChatMessage] | None:
        """Delete a conversation, and return its messages; None if there were none."""
        before = self._read(key)
        self._entity().delete_many(_ids(before))
        return _messages(before) or None

    def delete_message(self, key: str, idx: int) -> ChatMessage | None:
        """Delete the message at a position, and return it; None if there is none."""
        chosen = _at(self._read(key), idx)
        self._entity().delete_many(_ids(chosen))
        return next(iter(_messages(chosen)), None)

    def delete_last_message(self, key: str) -> ChatMessage | None:
        """Delete the newest message, and return it; None if there is none."""
        return self.delete_message(key, -1)

    def get_keys(self) -> list[str]:
        """Return the keys of all conversations, oldest first."""
        return list(dict.fromkeys(row["session"] for row in self._entity().iter(_SESSIONS.filter(), _SESSIONS.sort)))

    def _read(self, key: str) -> list[Document]:
        return [*self._entity().iter(_SESSIONS.filter(key), _SESSIONS.sort)]

    def _entity(self) -> Any:
        return self._client().entities[self.collection]

    # Asyncio

    async def aget_messages(self, key: str) -> list[ChatMessage]:
        """Do the same as :meth:`get_messages` with asyncio."""
        return _messages(await self._aread(key))

    async def aset_messages(self, key: str, messages: list[ChatMessage]) -> None:
        """Do the same as :meth:`set_messages` with asyncio."""
        before = await self._aread(key)
        await self._aentity().create_many(_rows(key, messages))
        await self._aentity().delete_many(_ids(before))

    async def async_add_message(self, key: str, message: ChatMessage) -> None:
        """Do the same as :meth:`add_message` with asyncio."""
        await self._aentity().create_many(_rows(key, [message]))

    async def adelete_messages(self, key: str) -> list[ChatMessage] | None:
        """Do the same as :meth:`delete_messages` with asyncio."""
        before = await self._aread(key)
        await self._aentity().delete_many(_ids(before))
        return _messages(before) or None

    async def adelete_message(self, key: str, idx: int) -> ChatMessage | None:
        """Do the same as :meth:`delete_message` with asyncio."""
        chosen = _at(await self._aread(key), idx)
        await self._aentity().delete_many(_ids(chosen))
        return next(iter(_messages(chosen)), None)

    async def adelete_last_message(self, key: str) -> ChatMessage | None:
        """Do the same as :meth:`delete_last_message` with asyncio."""
        return await self.adelete_message(key, -1)

    async def aget_keys(self) -> list[str]:
        """Do the same as :meth:`get_keys` with asyncio."""
        rows = self._aentity().iter(_SESSIONS.filter(), _SESSIONS.sort)
        return list(dict.fromkeys([row["session"] async for row in rows]))

    async def _aread(self, key: str) -> list[Document]:
        return [row async for row in self._aentity().iter(_SESSIONS.filter(key), _SESSIONS.sort)]

    def _aentity(self) -> Any:
        return self._aclient().entities[self.collection]


def _rows(key: str, messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    known = [(str(message.role.value), message.content or "", message.model_dump(mode="json")) for message in messages]
    return _SESSIONS.documents(key, known)


def _messages(documents: Sequence[Document]) -> list[ChatMessage]:
    return [ChatMessage.model_validate(_SESSIONS.whole(document)) for document in documents]


def _ids(documents: Sequence[Document]) -> list[str]:
    return [document.id or "" for document in documents]


def _at(documents: Sequence[Document], position: int) -> Sequence[Document]:
    return [documents[position]] if -len(documents) <= position < len(documents) else []
