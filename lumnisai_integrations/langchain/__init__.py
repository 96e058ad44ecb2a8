"""Lumnis in LangChain: chat model, runnable, tool, memory, files, and progress display; runs recorded in Lucidic.

>>> from lumnisai_integrations.langchain import ChatLumnis
>>> model = ChatLumnis(user_id="user-123")          # LUMNISAI_API_KEY from the environment
>>> model.invoke("What is a neap tide?").content
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lumnisai_integrations._shared.lazy import lazy_names

if TYPE_CHECKING:
    from lumnisai_integrations.langchain.liminal.guard import LiminalGuard
    from lumnisai_integrations.langchain.lucidic.handler import LucidicCallbackHandler
    from lumnisai_integrations.langchain.lumnis.chat import ChatLumnis, register
    from lumnisai_integrations.langchain.lumnis.engine import ChatModelEngine
    from lumnisai_integrations.langchain.lumnis.errors import StructuredOutputError
    from lumnisai_integrations.langchain.lumnis.history import LumnisChatMessageHistory
    from lumnisai_integrations.langchain.lumnis.loader import LumnisFilesLoader
    from lumnisai_integrations.langchain.lumnis.progress import LumnisProgressHandler
    from lumnisai_integrations.langchain.lumnis.retriever import LumnisFilesRetriever
    from lumnisai_integrations.langchain.lumnis.runnable import LumnisRunnable
    from lumnisai_integrations.langchain.lumnis.tool import LumnisTool

__all__ = [
    "ChatLumnis",
    "ChatModelEngine",
    "LiminalGuard",
    "LucidicCallbackHandler",
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
    "ChatLumnis": "lumnisai_integrations.langchain.lumnis.chat",
    "ChatModelEngine": "lumnisai_integrations.langchain.lumnis.engine",
    "LiminalGuard": "lumnisai_integrations.langchain.liminal.guard",
    "LucidicCallbackHandler": "lumnisai_integrations.langchain.lucidic.handler",
    "LumnisChatMessageHistory": "lumnisai_integrations.langchain.lumnis.history",
    "LumnisFilesLoader": "lumnisai_integrations.langchain.lumnis.loader",
    "LumnisFilesRetriever": "lumnisai_integrations.langchain.lumnis.retriever",
    "LumnisProgressHandler": "lumnisai_integrations.langchain.lumnis.progress",
    "LumnisRunnable": "lumnisai_integrations.langchain.lumnis.runnable",
    "LumnisTool": "lumnisai_integrations.langchain.lumnis.tool",
    "StructuredOutputError": "lumnisai_integrations.langchain.lumnis.errors",
    "register": "lumnisai_integrations.langchain.lumnis.chat",
}

__getattr__: Callable[[str], object] = lazy_names(__name__, _HOMES, extra="langchain")
