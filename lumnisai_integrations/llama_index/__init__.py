"""Lumnis in LlamaIndex.

>>> from llama_index.core import Settings
>>> from lumnisai_integrations.llama_index import LumnisLLM
>>> Settings.llm = LumnisLLM(user_id="user-123")          # LUMNISAI_API_KEY from the environment
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

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


def __getattr__(name: str) -> object:
    # Importing the framework takes a second or two: only who asks for a name pays.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("llama_index"):
            raise
        message = f'{__name__}.{name} needs llama-index-core: pip install "lumnisai-integrations[llama-index]"'
        raise ImportError(message, name=error.name) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
