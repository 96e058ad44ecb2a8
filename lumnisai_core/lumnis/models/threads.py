"""Threads: conversations that the service keeps (``/v1/threads``)."""

# No postponed annotations here: pydantic would have to compile each of them at import.
from typing import ClassVar

from pydantic import Field

from lumnisai_core._transport.wire import Items, Page, Timestamp, WireModel

__all__ = ["ThreadList", "ThreadObject"]


class ThreadObject(WireModel):
    """One thread.

    Attributes:
        title: Title from the caller, or from the service after the first run.
        response_count: Number of runs.
        last_response_at: Time when the newest run was created.
    """

    _columns: ClassVar[tuple[str, ...]] = ("thread_id", "title", "response_count", "created_at", "last_response_at")

    _id: ClassVar[str] = "thread_id"

    thread_id: str
    tenant_id: str | None = None
    user_id: str | None = None
    title: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    response_count: int = 0
    last_response_at: Timestamp | None = None


class ThreadList(Page[ThreadObject]):
    """One page of threads."""

    _list: ClassVar[str] = "threads"

    threads: Items[ThreadObject] = Field(default_factory=list)
    limit: int | None = None
    offset: int = 0
