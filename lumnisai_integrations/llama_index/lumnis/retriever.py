"""The retriever: a search of the files on the platform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack
from uuid import UUID

from llama_index.core import Settings
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import NodeWithScore, QueryBundle

from lumnisai_core import Scope
from lumnisai_integrations._shared.files import (
    DEFAULT_PASSAGES,
    SEARCH_FIELDS,
    SearchParameters,
    passages,
    search_parameters,
)
from lumnisai_integrations.llama_index.lumnis.results import node_of
from lumnisai_integrations.llama_index.lumnis.settings import ConnectionFields, LumnisConnection


class LumnisFilesRetriever(BaseRetriever):
    """A retriever that searches files on the Lumnis platform.

    A search finds files with several pieces each; the retriever returns the pieces, best first, as nodes whose id is
    ``file_id:chunk_index``, with a score from 0 to 1 and the file as their source.

    The search settings are attributes of the same names, which may be changed later. A retriever may be shared by
    threads and event loops, copied and pickled. A pickle does not hold the API key; a retriever that is restored from
    one takes it from the environment.

    Args:
        user_id: User whose files are searched, together with those of the tenant. Required in user scope.
        scope: ``user`` (default) or ``tenant``: only files that the whole tenant may see.
        similarity_top_k: Maximum number of nodes, 1 to 50. Default 4.
        min_score: Minimum score of a node, 0 to 1. Default 0.
        file_types: Only files with these extensions.
        file_tags: Only files with these tags.
        callback_manager: Receives the events. Default: that of ``Settings``.
        verbose: Whether to print the steps of recursive retrieval.
        **connection: ``api_key``, ``base_url``, ``tenant_id``, ``timeout`` and ``max_retries`` as of ``LumnisLLM``.

    Raises:
        ConfigurationError: No API key, or a value that is not valid.
        ValidationError: A filter is not valid.
    """

    def __init__(
        self,
        *,
        user_id: str | UUID | None = None,
        scope: Scope | str | None = None,
        similarity_top_k: int = DEFAULT_PASSAGES,
        min_score: float = 0.0,
        file_types: str | Sequence[str] | None = None,
        file_tags: str | Sequence[str] | None = None,
        callback_manager: CallbackManager | None = None,
        verbose: bool = False,
        **connection: Unpack[ConnectionFields],
    ) -> None:
        super().__init__(callback_manager=callback_manager or Settings.callback_manager, verbose=verbose)
        self.user_id = user_id
        self.scope = scope
        self.similarity_top_k = similarity_top_k
        self.min_score = min_score
        self.file_types = file_types
        self.file_tags = file_tags
        self._connection = LumnisConnection(**connection)
        self._search()  # refuses filters that are not valid

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        search = self._search()
        results = self._connection.client().files.search(query_bundle.query_str, **search)
        return [node_of(passage) for passage in passages(results, search)]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        search = self._search()
        results = await self._connection.aclient().files.search(query_bundle.query_str, **search)
        return [node_of(passage) for passage in passages(results, search)]

    def _search(self) -> SearchParameters:
        names = ("similarity_top_k", *SEARCH_FIELDS)
        return search_parameters({name: getattr(self, name) for name in names}, {}, count="similarity_top_k")

    def close(self) -> None:
        """Close the connections of blocking calls; a later call opens new ones."""
        self._connection.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop; a later call opens new ones."""
        await self._connection.aclose()
