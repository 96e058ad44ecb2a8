"""Datasets of Lucidic and their items, each call a request."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from typing import Any

from lumnisai_core._transport._async.resource import AsyncResource
from lumnisai_core.lucidic import calls
from lumnisai_core.lucidic.config import Settings
from lumnisai_core.lucidic.models import Dataset, DatasetItem, SessionRecord
from lumnisai_core.lucidic.payloads import string_list


class AsyncDatasets(AsyncResource[Settings]):
    """Datasets: cases to run an application on."""

    async def create(
        self,
        name: str,
        *,
        description: str | None = None,
        tags: Iterable[str] | None = None,
        suggested_flag_config: Mapping[str, Any] | None = None,
    ) -> str:
        """Create a dataset.

        Args:
            name: Its name, which no other dataset of the agent has.
            description: What it is for.
            tags: Tags to find it by.
            suggested_flag_config: Values of feature flags to run it with.

        Returns:
            The id of the dataset.
        """
        return await self._send(
            calls.create_dataset(
                self._settings.agent_id,
                name,
                description=description,
                tags=string_list("tags", tags),
                suggested_flag_config=suggested_flag_config,
            )
        )

    async def get(self, dataset_id: str) -> Dataset:
        """Return a dataset with its items.

        Args:
            dataset_id: Its id.

        Raises:
            NotFoundError: No dataset has this id.
        """
        return await self._send(calls.get_dataset(dataset_id))

    async def list(self) -> builtins.list[Dataset]:
        """Return all datasets of the agent, without their items."""
        return await self._send(calls.list_datasets(self._settings.agent_id))

    async def update(
        self,
        dataset_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        tags: Iterable[str] | None = None,
        suggested_flag_config: Mapping[str, Any] | None = None,
    ) -> None:
        """Change a dataset; what is None stays as it is.

        Args:
            dataset_id: Its id.
            name: Its name.
            description: What it is for.
            tags: Tags, instead of the earlier ones.
            suggested_flag_config: Values of feature flags to run it with.
        """
        await self._send(
            calls.update_dataset(
                dataset_id,
                name=name,
                description=description,
                tags=string_list("tags", tags),
                suggested_flag_config=suggested_flag_config,
            )
        )

    async def delete(self, dataset_id: str) -> None:
        """Delete a dataset with its items.

        Args:
            dataset_id: Its id.
        """
        await self._send(calls.delete_dataset(dataset_id))

    # Items

    async def create_item(
        self,
        dataset_id: str,
        name: str,
        input: Mapping[str, Any],  # noqa: A002 - the product's name
        *,
        expected_output: Any = None,
        description: str | None = None,
        tags: Iterable[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        flag_overrides: Mapping[str, Any] | None = None,
    ) -> str:
        """Add an item to a dataset.

        Args:
            dataset_id: The dataset.
            name: Name of the item.
            input: What the application gets.
            expected_output: What it should answer.
            description: What it tests.
            tags: Tags to find it by.
            metadata: Anything to keep with it.
            flag_overrides: Values of feature flags for this item.

        Returns:
            The id of the item.
        """
        return await self._send(
            calls.create_item(
                dataset_id,
                name,
                input,
                expected_output=expected_output,
                description=description,
                tags=string_list("tags", tags),
                metadata=metadata,
                flag_overrides=flag_overrides,
            )
        )

    async def get_item(self, datasetitem_id: str) -> DatasetItem:
        """Return an item of a dataset.

        Args:
            datasetitem_id: Its id.

        Raises:
            NotFoundError: No item has this id.
        """
        return await self._send(calls.get_item(datasetitem_id))

    async def update_item(
        self,
        datasetitem_id: str,
        *,
        name: str | None = None,
        input: Mapping[str, Any] | None = None,  # noqa: A002 - the product's name
        expected_output: Any = None,
        description: str | None = None,
        tags: Iterable[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        flag_overrides: Mapping[str, Any] | None = None,
    ) -> None:
        """Change an item; what is None stays as it is.

        Args:
            datasetitem_id: Its id.
            name: Its name.
            input: What the application gets.
            expected_output: What it should answer.
            description: What it tests.
            tags: Tags, instead of the earlier ones.
            metadata: Anything to keep with it.
            flag_overrides: Values of feature flags for this item.
        """
        await self._send(
            calls.update_item(
                datasetitem_id,
                name=name,
                input=input,
                expected_output=expected_output,
                description=description,
                tags=string_list("tags", tags),
                metadata=metadata,
                flag_overrides=flag_overrides,
            )
        )

    async def delete_item(self, datasetitem_id: str) -> None:
        """Delete an item of a dataset.

        Args:
            datasetitem_id: Its id.
        """
        await self._send(calls.delete_item(datasetitem_id))

    async def list_item_sessions(self, datasetitem_id: str) -> builtins.list[SessionRecord]:
        """Return the sessions that were run for an item.

        Args:
            datasetitem_id: Its id.
        """
        return await self._send(calls.list_item_sessions(datasetitem_id))
