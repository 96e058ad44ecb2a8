"""Chat message history of LangChain in a collection of Lumi.new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict

from lumnisai_core.lumi import Document
from lumnisai_integrations._shared.lumi.connection import LumiConnection, LumiConnectionFields
from lumnisai_integrations._shared.lumi.documents import CONVERSATIONS, Sessions, checked_session
from lumnisai_integrations.langchain.errors import model_errors

_SESSIONS = Sessions("langchain")


class LumiChatMessageHistory(BaseChatMessageHistory):
    """A conversation in a collection of Lumi.new, a document for each message.

    Messages come back as they were, with tool calls, pictures and metadata. Documents also have ``role`` and ``text``,
    for people and other programs. Who may read them is decided by the application's rules for the collection.

    A history may be shared by threads and event loops. Nothing is sent before the first use.

    Args:
        session_id: Name of the conversation.
        collection: Name of the collection.
        **connection: The connection, as of :class:`ChatLumi`, or your own ``client`` and ``async_client``.

    Raises:
        ConfigurationError: There is no application, or a value is not valid.
        ValidationError: ``session_id`` is blank.
    """

    def __init__(
        self, session_id: str, *, collection: str = CONVERSATIONS, **connection: Unpack[LumiConnectionFields]
    ) -> None:
        with model_errors():
            self.session_id: str = checked_session(session_id)
            self.collection = collection
            self._connection = LumiConnection(**connection)
            self._connection.check_connection()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(session_id={self.session_id!r}, collection={self.collection!r})"

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override] # every history of the framework does this
        """The messages, oldest first."""
        with model_errors():
            return _messages([*self._entity().iter(_SESSIONS.filter(self.session_id), _SESSIONS.sort)])

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Add messages, in one request.

        Args:
            messages: The messages, oldest first.
        """
        with model_errors():
            self._entity().create_many(self._rows(messages))

    def clear(self) -> None:
        """Delete all messages of the conversation."""
        with model_errors():
            found = [*self._entity().iter(_SESSIONS.filter(self.session_id))]
            self._entity().delete_many([document.id or "" for document in found])

    async def aget_messages(self) -> list[BaseMessage]:
        """Return :attr:`messages` with asyncio."""
        with model_errors():
            found = self._aentity().iter(_SESSIONS.filter(self.session_id), _SESSIONS.sort)
            return _messages([document async for document in found])

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Do the same as :meth:`add_messages` with asyncio."""
        with model_errors():
            await self._aentity().create_many(self._rows(messages))

    async def aclear(self) -> None:
        """Do the same as :meth:`clear` with asyncio."""
        with model_errors():
            found = [document async for document in self._aentity().iter(_SESSIONS.filter(self.session_id))]
            await self._aentity().delete_many([document.id or "" for document in found])

    def close(self) -> None:
        """Close the connections of blocking calls; a client of yours stays open."""
        self._connection.close()

    async def aclose(self) -> None:
        """Close the connections of asyncio calls in the running event loop; a client of yours stays open."""
        await self._connection.aclose()

    def _rows(self, messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
        known = [(message.type, str(message.text), message_to_dict(message)) for message in messages]
        return _SESSIONS.documents(self.session_id, known)

    def _entity(self) -> Any:
        return self._connection._client().entities[self.collection]

    def _aentity(self) -> Any:
        return self._connection._aclient().entities[self.collection]


def _messages(documents: Sequence[Document]) -> list[BaseMessage]:
    return messages_from_dict([_SESSIONS.whole(document) for document in documents])
