"""Lumnis and its neighbours in LangChain: chat models, tools, memory, loaders, and progress display.

>>> from lumnisai_integrations.langchain import ChatLumnis
>>> model = ChatLumnis(user_id="user-123")          # LUMNISAI_API_KEY from the environment
>>> model.invoke("What is a neap tide?").content
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lumnisai_integrations._shared import lazy_names

if TYPE_CHECKING:
    from lumnisai_integrations._shared.lumi.tools import LumiFunction
    from lumnisai_integrations.langchain.errors import StructuredOutputError
    from lumnisai_integrations.langchain.liminal.chat import ChatLiminal
    from lumnisai_integrations.langchain.liminal.guard import LiminalGuard
    from lumnisai_integrations.langchain.lucidic.handler import LucidicCallbackHandler
    from lumnisai_integrations.langchain.lumi.chat import ChatLumi
    from lumnisai_integrations.langchain.lumi.history import LumiChatMessageHistory
    from lumnisai_integrations.langchain.lumi.loader import LumiEntityLoader
    from lumnisai_integrations.langchain.lumi.toolkit import LumiToolkit
    from lumnisai_integrations.langchain.lumnis.chat import ChatLumnis, register
    from lumnisai_integrations.langchain.lumnis.engine import ChatModelEngine
    from lumnisai_integrations.langchain.lumnis.history import LumnisChatMessageHistory
    from lumnisai_integrations.langchain.lumnis.loader import LumnisFilesLoader
    from lumnisai_integrations.langchain.lumnis.progress import LumnisProgressHandler
    from lumnisai_integrations.langchain.lumnis.retriever import LumnisFilesRetriever
    from lumnisai_integrations.langchain.lumnis.runnable import LumnisRunnable
    from lumnisai_integrations.langchain.lumnis.tool import LumnisTool

__all__ = [
    "ChatLiminal",
    "ChatLumi",
    "ChatLumnis",
    "ChatModelEngine",
    "LiminalGuard",
    "LucidicCallbackHandler",
    "LumiChatMessageHistory",
    "LumiEntityLoader",
    "LumiFunction",
    "LumiToolkit",
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
    "ChatLiminal": "lumnisai_integrations.langchain.liminal.chat",
    "ChatLumi": "lumnisai_integrations.langchain.lumi.chat",
    "LumiChatMessageHistory": "lumnisai_integrations.langchain.lumi.history",
    "LumiEntityLoader": "lumnisai_integrations.langchain.lumi.loader",
    "LumiFunction": "lumnisai_integrations._shared.lumi.tools",
    "LumiToolkit": "lumnisai_integrations.langchain.lumi.toolkit",
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
    "StructuredOutputError": "lumnisai_integrations.langchain.errors",
    "register": "lumnisai_integrations.langchain.lumnis.chat",
}

__getattr__: Callable[[str], object] = lazy_names(__name__, _HOMES, extra="langchain")
