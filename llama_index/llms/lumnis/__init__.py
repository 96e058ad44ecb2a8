"""LumnisLLM under the name where LlamaIndex has its LLMs.

>>> from llama_index.llms.lumnis import LumnisLLM

It is the class of :mod:`lumnisai_integrations.llama_index`. The folders above this one are shared with LlamaIndex' own
packages and must have no ``__init__.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumnisai_integrations._shared import lazy_names

if TYPE_CHECKING:
    from lumnisai_integrations.llama_index.lumnis.llm import LumnisLLM

__all__ = ["LumnisLLM"]

_HOMES = {"LumnisLLM": "lumnisai_integrations.llama_index.lumnis.llm"}

__getattr__ = lazy_names(__name__, _HOMES, extra="llama-index")
