"""Lumnis in LlamaIndex.

>>> from llama_index.core import Settings
>>> from lumnisai_integrations.llama_index import LumnisLLM
>>> Settings.llm = LumnisLLM(user_id="user-123")          # LUMNISAI_API_KEY from the environment
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumnisai_integrations._shared.lazy import lazy_names

if TYPE_CHECKING:
    from lumnisai_integrations._shared.structured import StructuredOutputError
    from lumnisai_integrations.llama_index.llm import LumnisLLM
    from lumnisai_integrations.llama_index.progress import LumnisProgressEvent

__all__ = ["LumnisLLM", "LumnisProgressEvent", "StructuredOutputError"]

_HOMES = {
    "LumnisLLM": "lumnisai_integrations.llama_index.llm",
    "LumnisProgressEvent": "lumnisai_integrations.llama_index.progress",
    "StructuredOutputError": "lumnisai_integrations._shared.structured",
}

__getattr__ = lazy_names(
    __name__, _HOMES, framework="llama_index", distribution="llama-index-core", extra="llama-index"
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
