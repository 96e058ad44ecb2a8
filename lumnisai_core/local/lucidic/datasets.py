"""The routes of datasets and their items."""

from __future__ import annotations

import sqlite3
from typing import Any

from pydantic import Field, JsonValue

from lumnisai_core.local.lucidic.service import MOUNT, Call, Name, Names, OfAgent, changes, not_found, stored
from lumnisai_core.local.lucidic.sessions import sessions_of_item
from lumnisai_core.local.lucidic.store import DatasetRow, ItemRow
from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.ids import new_id, now
from lumnisai_core.local.web.json_text import Json, dumps
from lumnisai_core.local.web.routes import RouteTable
from lumnisai_core.local.web.shapes import Object, Shape

route = RouteTable(f"/{MOUNT}")


class CreateDataset(OfAgent):
    """Body of `POST /sdk/datasets/create`."""

    name: Name
    description: str | None = None
    tags: Names = Field(default_factory=list)
    suggested_flag_config: JsonValue = None


class DatasetKey(Shape):
    """Query that names a dataset."""

    dataset_id: Name


class UpdateDataset(DatasetKey):
    """Body of `PUT /sdk/datasets/update`; fields that are missing or null stay as they are."""

    name: Name | None = None
    description: str | None = None
    tags: Names | None = None
    suggested_flag_config: JsonValue = None


class CreateItem(DatasetKey):
    """Body of `POST /sdk/datasets/items/create`."""

    name: Name
    input: JsonValue
    description: str | None = None
    tags: Names = Field(default_factory=list)
    expected_output: JsonValue = None
    metadata: JsonValue = None
    flag_overrides: JsonValue = None


class ItemKey(Shape):
    """Query that names an item."""

    datasetitem_id: Name
    dataset_id: str | None = None


class UpdateItem(ItemKey):
    """Body of `PUT /sdk/datasets/items/update`; fields that are missing or null stay as they are."""

    name: Name | None = None
    input: JsonValue = None
    description: str | None = None
    tags: Names | None = None
    expected_output: JsonValue = None
    metadata: JsonValue = None
    flag_overrides: JsonValue = None


# Datasets


@route("GET /sdk/datasets")
async def list_datasets(call: Call, query: OfAgent) -> Json[Object]:
    """List datasets, newest first."""
    agent = call.agent(query.agent_id)

    def read(sql: sqlite3.Connection) -> Object:
        datasets, items = call.store.datasets.all(sql, agent_id=agent), call.store.count_items(sql, agent)
        shown = [_view(dataset) | {"num_items": items.get(dataset.dataset_id, 0)} for dataset in datasets]
        return {"num_datasets": len(datasets), "datasets": shown}

    return await call.whole(read)


@route("POST /sdk/datasets/create")
async def create_dataset(call: Call, body: CreateDataset) -> Object:
    """Make a dataset."""
    agent, moment = call.known_agent(body.agent_id), now()
    flags = stored(body.suggested_flag_config)
    row = DatasetRow(new_id(), agent, body.name, body.description, dumps(body.tags), flags, moment, moment)
    with call.store.transaction():
        _check_name(call, agent, body.name)
        call.store.datasets.add(row)
    return _dataset_reply(call, row)


@route("GET /getdataset")
async def get_dataset(call: Call, query: DatasetKey) -> Json[Object]:
    """Show a dataset with its items."""
    dataset = _dataset(call, query.dataset_id)

    def read(sql: sqlite3.Connection) -> Object:
        items = call.store.items.all(sql, dataset_id=dataset.dataset_id, oldest_first=True)
        return {**_view(dataset), "num_items": len(items), "items": items}

    return await call.whole(read)


@route("PUT /sdk/datasets/update")
async def update_dataset(call: Call, body: UpdateDataset) -> Object:
    """Change a dataset."""
    with call.store.transaction():
        dataset = _dataset(call, body.dataset_id)
        if body.name not in (None, dataset.name):
            _check_name(call, dataset.agent_id, str(body.name))
        values = _columns(changes(body, "dataset_id"), "tags", "suggested_flag_config")
        call.store.datasets.change({"dataset_id": dataset.dataset_id}, **values, updated_at=now())
    return _dataset_reply(call, _dataset(call, body.dataset_id))


@route("DELETE /sdk/datasets/delete")
async def delete_dataset(call: Call, query: DatasetKey) -> Object:
    """Delete a dataset and its items."""
    with call.store.transaction():
        dataset = _dataset(call, query.dataset_id)
        call.store.items.remove(dataset_id=dataset.dataset_id)
        call.store.datasets.remove(dataset_id=dataset.dataset_id)
    return {"success": True, "dataset_id": dataset.dataset_id}


def _dataset(call: Call, dataset_id: str) -> DatasetRow:
    dataset = call.store.datasets.one(dataset_id=dataset_id, agent_id=call.agent())
    if dataset is None:
        raise not_found("Dataset")
    return dataset


def _check_name(call: Call, agent: str, name: str) -> None:
    if call.store.datasets.one(agent_id=agent, name=name) is not None:
        raise ApiError(409, "NAME_TAKEN", f"There is already a dataset named {name}.")


def _dataset_reply(call: Call, dataset: DatasetRow) -> Object:
    [(count,)] = call.store.items.aggregate("count(*)", dataset_id=dataset.dataset_id)
    return {**_view(dataset), "num_items": count}


def _view(row: DatasetRow | ItemRow) -> Object:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


# Items


@route("POST /sdk/datasets/items/create")
async def create_item(call: Call, body: CreateItem) -> Object:
    """Add an item to a dataset."""
    row = ItemRow(
        new_id(),
        body.dataset_id,
        body.name,
        body.description,
        dumps(body.tags),
        dumps(body.input),
        stored(body.expected_output),
        stored(body.metadata),
        stored(body.flag_overrides),
        now(),
    )
    with call.store.transaction():
        _dataset(call, body.dataset_id)
        call.store.items.add(row)
        call.store.datasets.change({"dataset_id": body.dataset_id}, updated_at=row.created_at)
    return _view(row)


@route("GET /sdk/datasets/items/get")
async def get_item(call: Call, query: ItemKey) -> Object:
    """Show an item."""
    return _view(_item(call, query))


@route("PUT /sdk/datasets/items/update")
async def update_item(call: Call, body: UpdateItem) -> Object:
    """Change an item."""
    values = changes(body, "datasetitem_id", "dataset_id")
    with call.store.transaction():
        item = _item(call, body)
        columns = _columns(values, "tags", "input", "expected_output", "metadata", "flag_overrides")
        call.store.items.change({"datasetitem_id": item.datasetitem_id}, **columns)
        call.store.datasets.change({"dataset_id": item.dataset_id}, updated_at=now())
    return _view(_item(call, body))


@route("DELETE /sdk/datasets/items/delete")
async def delete_item(call: Call, query: ItemKey) -> Object:
    """Delete an item."""
    with call.store.transaction():
        item = _item(call, query)
        call.store.items.remove(datasetitem_id=item.datasetitem_id)
    return {"success": True, "datasetitem_id": item.datasetitem_id}


@route("GET /sdk/datasets/items/sessions")
async def item_sessions(call: Call, query: ItemKey) -> Json[Object]:
    """List the sessions that were run for an item, newest first."""
    return await sessions_of_item(call, _item(call, query).datasetitem_id)


def _item(call: Call, key: ItemKey) -> ItemRow:
    item = call.store.items.one(datasetitem_id=key.datasetitem_id, dataset_id=key.dataset_id)
    if item is None:
        raise not_found("Dataset item")
    _dataset(call, item.dataset_id)
    return item


def _columns(values: dict[str, Any], *as_json: str) -> dict[str, Any]:
    written: dict[str, Any] = {name: dumps(value) if name in as_json else value for name, value in values.items()}
    return written
