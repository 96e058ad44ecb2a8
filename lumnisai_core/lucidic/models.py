"""Models of Lucidic: sessions, events, datasets with their items."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from lumnisai_core._transport.wire import Items, Timestamp, WireModel


class SessionRecord(WireModel):
    """A session as the service has it.

    Attributes:
        session_id: Its id.
        session_name: Its name.
        task: What it is about.
        is_finished: Whether it has ended.
        is_successful: Whether it was a success, if that was reported.
        session_eval: Its score.
    """

    _id: ClassVar[str] = "session_id"
    _columns: ClassVar[tuple[str, ...]] = ("session_id", "session_name", "is_finished", "is_successful")

    session_id: str
    session_name: str = ""
    task: str | None = None
    tags: Items[str] = Field(default_factory=list)
    experiment_id: str | None = None
    datasetitem_id: str | None = None
    is_finished: bool = False
    is_successful: bool | None = None
    is_successful_reason: str | None = None
    session_eval: float | None = None
    session_eval_reason: str | None = None
    created_at: Timestamp | None = None


class EventRecord(WireModel):
    """An event as the service has it.

    Attributes:
        event_id: The service's id.
        client_event_id: The id that the client made.
        client_parent_event_id: The client's id of the parent event, or None.
        type: One of :class:`EventType`, or a name of your own.
        duration: Seconds.
        payload: What happened, by type.
        blob_url: Where the whole of a large payload is, or is to be uploaded.
    """

    _id: ClassVar[str] = "event_id"
    _columns: ClassVar[tuple[str, ...]] = ("client_event_id", "type", "occurred_at", "duration")

    event_id: str = ""
    client_event_id: str = ""
    client_parent_event_id: str | None = None
    session_id: str = ""
    type: str = "generic"
    occurred_at: Timestamp | None = None
    duration: float | None = None
    tags: Items[str] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)
    payload: dict[str, Any] = Field(default_factory=dict)
    blob_url: str | None = None


class DatasetItem(WireModel):
    """One case of a dataset.

    Attributes:
        input: What the application gets.
        expected_output: What it should answer.
        flag_overrides: Values of feature flags for this case.
    """

    _id: ClassVar[str] = "datasetitem_id"
    _columns: ClassVar[tuple[str, ...]] = ("datasetitem_id", "name", "input", "expected_output")

    datasetitem_id: str
    name: str = ""
    description: str | None = None
    tags: Items[str] = Field(default_factory=list)
    input: dict[str, Any] = Field(default_factory=dict)
    expected_output: Any = None
    metadata: dict[str, Any] | None = None
    flag_overrides: dict[str, Any] | None = None
    created_at: Timestamp | None = None


class Dataset(WireModel):
    """A dataset: cases to run an application on.

    Attributes:
        name: Unique for the agent.
        num_items: Number of its items.
        items: The items, where the answer has them.
    """

    _id: ClassVar[str] = "dataset_id"
    _columns: ClassVar[tuple[str, ...]] = ("dataset_id", "name", "num_items")

    dataset_id: str
    name: str = ""
    description: str | None = None
    tags: Items[str] = Field(default_factory=list)
    suggested_flag_config: dict[str, Any] | None = None
    num_items: int = 0
    items: Items[DatasetItem] = Field(default_factory=list)
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
