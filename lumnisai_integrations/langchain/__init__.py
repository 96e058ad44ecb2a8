"""Lumnis in LangChain: a chat model whose answers come from agent runs.

>>> from lumnisai_integrations.langchain import ChatLumnis
>>> model = ChatLumnis(user_id="user-123")          # LUMNISAI_API_KEY from the environment
>>> model.invoke("What is a neap tide?").content
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumnisai_integrations._shared.lazy import lazy_names

if TYPE_CHECKING:
    from lumnisai_integrations.langchain.chat import ChatLumnis
    from lumnisai_integrations.langchain.engine import ChatModelEngine
    from lumnisai_integrations.langchain.errors import StructuredOutputError
    from lumnisai_integrations.langchain.progress import LumnisProgressHandler

__all__ = ["ChatLumnis", "ChatModelEngine", "LumnisProgressHandler", "StructuredOutputError"]

_HOMES = {
    "ChatLumnis": "lumnisai_integrations.langchain.chat",
    "ChatModelEngine": "lumnisai_integrations.langchain.engine",
    "LumnisProgressHandler": "lumnisai_integrations.langchain.progress",
    "StructuredOutputError": "lumnisai_integrations.langchain.errors",
}

__getattr__ = lazy_names(__name__, _HOMES, framework="langchain_core", distribution="langchain-core", extra="langchain")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
