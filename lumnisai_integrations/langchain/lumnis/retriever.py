"""The retriever: a search of the files on the platform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import ConfigurableFieldSpec, RunnableConfig
from langchain_core.runnables.config import ensure_config

from lumnisai_core import FileSearchResults
from lumnisai_integrations._shared.files import DEFAULT_PASSAGES, SearchParameters, passages, search_parameters
from lumnisai_integrations.langchain.errors import model_errors
from lumnisai_integrations.langchain.lumnis.calls import from_config
from lumnisai_integrations.langchain.lumnis.settings import USER_SPEC, LumnisConnection


class LumnisFilesRetriever(LumnisConnection, BaseRetriever):
    """A retriever that searches files on the Lumnis platform.

    A search finds files with several pieces each; the retriever returns the pieces, best first, as documents whose
    ``id`` is ``file_id:chunk_index`` and whose metadata names file, score and place.

    Every field from ``k`` on, ``user_id`` and ``scope`` are also keywords of calls
    (``retriever.invoke(query, k=3)``), where ``None`` removes a filter; the user can also be set as
    ``lumnis_user_id`` in ``config["configurable"]``. The call wins over the config, the config over the field.

    Nothing is sent and no connection is opened before the first call. A retriever may be shared by threads and event
    loops, copied and pickled. A pickle does not hold the API key; a retriever that is restored from one takes it from
    the environment.

    ``lumnis_api_key`` (``api_key``), ``base_url``, ``tenant_id``, ``timeout`` and ``max_retries`` are those of
    :class:`ChatLumnis`.

    Attributes:
        user_id: User whose files are searched, together with those of the tenant. Required in user scope.
        scope: ``user`` (default) or ``tenant``: only files that the whole tenant may see.
        k: Maximum number of documents, 1 to 50. Default 4.
        min_score: Minimum score of a document, 0 to 1. Default 0.
        file_types: Only files with these extensions.
        file_tags: Only files with these tags. (``tags`` are LangChain's tags of traces.)

    Raises:
        ConfigurationError: No API key, or a value that is not valid.
        ValidationError: A filter is not valid.
    """

    k: int = DEFAULT_PASSAGES
    min_score: float = 0.0
    file_types: str | list[str] | None = None
    file_tags: str | list[str] | None = None

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """Keys of ``config["configurable"]`` that are read: the user."""
        return [USER_SPEC]

    def _check(self) -> None:
        self._search({})

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - the framework's signature
        **keywords: Any,
    ) -> list[Document]:
        with model_errors():
            search = self._search(keywords)
            return _documents(self._client().files.search(query, **search), search)

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,  # noqa: ARG002 - the framework's signature
        **keywords: Any,
    ) -> list[Document]:
        with model_errors():
            search = self._search(keywords)
            return _documents(await self._aclient().files.search(query, **search), search)

    def _search(self, keywords: Mapping[str, Any]) -> SearchParameters:
        own = {name: value for name, value in keywords.items() if name != "verbose"}  # which the framework adds
        return search_parameters(self.__dict__, own, count="k")

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> list[Document]:
        """Search files. ``config["configurable"]`` may name the user.

        Args:
            input: The text to search for.
            config: Callbacks, tags and other settings of the call.
            **kwargs: Fields for this search only, such as ``k``.

        Returns:
            At most ``k`` documents, best first.

        Raises:
            ValidationError: An argument is not valid; nothing was sent.
            MissingUserId: User scope without a user.
            LumnisAIError: The service cannot be reached or refuses.
        """
        config = ensure_config(config)
        return super().invoke(input, config, **_with_user(config, kwargs))

    async def ainvoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> list[Document]:
        """Search files with asyncio; otherwise the same as :meth:`invoke`."""
        config = ensure_config(config)
        return await super().ainvoke(input, config, **_with_user(config, kwargs))


def _with_user(config: RunnableConfig, keywords: Mapping[str, Any]) -> dict[str, Any]:
    return from_config(config.get("configurable") or {}, {"user_id"}) | dict(keywords)


def _documents(results: FileSearchResults, search: SearchParameters) -> list[Document]:
    return [
        Document(id=passage.id, page_content=passage.text, metadata=passage.metadata | {"score": passage.score})
        for passage in passages(results, search)
    ]
