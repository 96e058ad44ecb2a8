"""Conversations as the service reports them (``/v1/threads``)."""

# Annotations are not postponed here: pydantic would have to compile every one of them at import.
from pydantic import Field

from lumnisai_core._transport.wire import Items, Page, Timestamp, WireModel

__all__ = ["ThreadList", "ThreadObject"]


class ThreadObject(WireModel):
    """One conversation.

    Attributes:
        title: Given by the caller, or made by the service after the first run.
        response_count: How many runs the conversation has.
        last_response_at: When the newest run was created.
    """

    thread_id: str
    tenant_id: str | None = None
    user_id: str | None = None
    title: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    response_count: int = 0
    last_response_at: Timestamp | None = None


class ThreadList(Page[ThreadObject]):
    """One page of conversations."""

    threads: Items[ThreadObject] = Field(default_factory=list)
    limit: int | None = None
    offset: int = 0

    @property
    def items(self) -> list[ThreadObject]:
        """The same as ``threads``."""
        return self.threads
