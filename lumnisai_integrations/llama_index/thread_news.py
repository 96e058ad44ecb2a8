"""Reading the runs of a thread that are not known yet."""

from __future__ import annotations

from collections.abc import Sequence

from lumnisai_core import AsyncClient, Client, ResponseObject
from lumnisai_integrations.llama_index.conversation import Conversation

_PAGE_OF_NEWS = 10  # what is new since the last look is seldom more than one run
_PAGE_OF_ALL = 100


class News:
    """Collects what is new on a thread, page by page.

    Args:
        conversation: What is known of it.
    """

    def __init__(self, conversation: Conversation) -> None:
        self._runs: dict[str, ResponseObject] = {}
        self._read_to = conversation.read_to
        self._missing = {*conversation.unfinished, conversation.read_to} - {None}
        self.page_size = _PAGE_OF_NEWS if self._read_to else _PAGE_OF_ALL
        self.offset: int = 0
        self.is_complete: bool = False

    @property
    def runs(self) -> list[ResponseObject]:
        """What was found, newest first."""
        return list(self._runs.values())

    def take(self, page: Sequence[ResponseObject]) -> None:
        """Take the next page of runs, newest first. An empty one, or one without anything new, is the last."""
        found = {run.response_id: run for run in page if run.response_id not in self._runs}
        self._runs |= found
        self._missing -= found.keys()
        self.offset += len(page)
        self.is_complete = not found or (self._read_to is not None and not self._missing)


def read_news(client: Client, thread_id: str, conversation: Conversation) -> list[ResponseObject]:
    """Read the runs of a thread that a conversation does not know yet, newest first."""
    news = News(conversation)
    while not news.is_complete:
        news.take(client.threads.get_responses(thread_id, limit=news.page_size, offset=news.offset))
    return news.runs


async def aread_news(client: AsyncClient, thread_id: str, conversation: Conversation) -> list[ResponseObject]:
    """Do the same without blocking the event loop."""
    news = News(conversation)
    while not news.is_complete:
        news.take(await client.threads.get_responses(thread_id, limit=news.page_size, offset=news.offset))
    return news.runs
