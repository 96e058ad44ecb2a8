"""The framework's own tests for retrievers, against the embedded service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

from lumnisai_integrations.langchain.lumnis.retriever import LumnisFilesRetriever
from tests.shared.library import QUESTION, Library, library


@pytest.fixture(scope="module")
def files() -> Iterator[Library]:
    with library() as made:
        yield made


class TestLumnisFilesRetriever(RetrieversIntegrationTests):
    """Every test of the suite."""

    files: Library

    @pytest.fixture(autouse=True)
    def _use_files(self, files: Library) -> None:
        self.files = files

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return LumnisFilesRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return self.files.fields

    @property
    def retriever_query_example(self) -> str:
        return QUESTION
