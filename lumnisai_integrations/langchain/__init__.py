"""Lumnis in LangChain: chat model, runnable, tool, memory, files, and progress display.

>>> from lumnisai_integrations.langchain import ChatLumnis
>>> model = ChatLumnis(user_id="user-123")          # LUMNISAI_API_KEY from the environment
>>> model.invoke("What is a neap tide?").content
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lumnisai_integrations._shared.lazy import lazy_names

if TYPE_CHECKING:
    from lumnisai_integrations.langchain.chat import ChatLumnis, register
    from lumnisai_integrations.langchain.engine import ChatModelEngine
    from lumnisai_integrations.langchain.errors import StructuredOutputError
    from lumnisai_integrations.langchain.history import LumnisChatMessageHistory
    from lumnisai_integrations.langchain.loader import LumnisFilesLoader
    from lumnisai_integrations.langchain.progress import LumnisProgressHandler
    from lumnisai_integrations.langchain.retriever import LumnisFilesRetriever
    from lumnisai_integrations.langchain.runnable import LumnisRunnable
    from lumnisai_integrations.langchain.tool import LumnisTool

__all__ = [
    "ChatLumnis",
    "ChatModelEngine",
    "LumnisChatMessageHistory",
    "LumnisFilesLoader",
    "LumnisFilesRetriever",
    "LumnisProgressHandler",
    "LumnisRunnable",
    "LumnisTool",
    "StructuredOutputError",
    "register",
]

_HOMES = {
    "ChatLumnis": "lumnisai_integrations.langchain.chat",
    "ChatModelEngine": "lumnisai_integrations.langchain.engine",
    "LumnisChatMessageHistory": "lumnisai_integrations.langchain.history",
    "LumnisFilesLoader": "lumnisai_integrations.langchain.loader",
    "LumnisFilesRetriever": "lumnisai_integrations.langchain.retriever",
    "LumnisProgressHandler": "lumnisai_integrations.langchain.progress",
    "LumnisRunnable": "lumnisai_integrations.langchain.runnable",
    "LumnisTool": "lumnisai_integrations.langchain.tool",
    "StructuredOutputError": "lumnisai_integrations.langchain.errors",
    "register": "lumnisai_integrations.langchain.chat",
}

__getattr__: Callable[[str], object] = lazy_names(__name__, _HOMES, extra="langchain")
