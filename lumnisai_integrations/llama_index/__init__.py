"""Lumnis and its neighbours in LlamaIndex.

>>> from llama_index.core import Settings
>>> from lumnisai_integrations.llama_index import LumnisLLM
>>> Settings.llm = LumnisLLM(user_id="user-123")          # LUMNISAI_API_KEY from the environment
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lumnisai_integrations._shared import lazy_names

if TYPE_CHECKING:
    from lumnisai_core.tools import StructuredOutputError
    from lumnisai_integrations._shared.lumi.tools import LumiFunction
    from lumnisai_integrations.llama_index.liminal.guard import LiminalGuard
    from lumnisai_integrations.llama_index.liminal.llm import LiminalLLM
    from lumnisai_integrations.llama_index.lucidic.handler import LucidicHandler
    from lumnisai_integrations.llama_index.lumi.chat_store import LumiChatStore
    from lumnisai_integrations.llama_index.lumi.llm import LumiLLM
    from lumnisai_integrations.llama_index.lumi.reader import LumiEntityReader
    from lumnisai_integrations.llama_index.lumi.tool_spec import LumiToolSpec
    from lumnisai_integrations.llama_index.lumnis.chat_store import LumnisChatStore
    from lumnisai_integrations.llama_index.lumnis.listeners import LumnisProgressEvent
    from lumnisai_integrations.llama_index.lumnis.llm import LumnisLLM, register
    from lumnisai_integrations.llama_index.lumnis.memory import LumnisThreadMemory
    from lumnisai_integrations.llama_index.lumnis.query_engine import LumnisQueryEngine
    from lumnisai_integrations.llama_index.lumnis.reader import LumnisFilesReader
    from lumnisai_integrations.llama_index.lumnis.retriever import LumnisFilesRetriever
    from lumnisai_integrations.llama_index.lumnis.tool import LumnisToolSpec

__all__ = [
    "LiminalGuard",
    "LiminalLLM",
    "LucidicHandler",
    "LumiChatStore",
    "LumiEntityReader",
    "LumiFunction",
    "LumiLLM",
    "LumiToolSpec",
    "LumnisChatStore",
    "LumnisFilesReader",
    "LumnisFilesRetriever",
    "LumnisLLM",
    "LumnisProgressEvent",
    "LumnisQueryEngine",
    "LumnisThreadMemory",
    "LumnisToolSpec",
    "StructuredOutputError",
    "register",
]

_HOMES = {
    "LiminalGuard": "lumnisai_integrations.llama_index.liminal.guard",
    "LiminalLLM": "lumnisai_integrations.llama_index.liminal.llm",
    "LucidicHandler": "lumnisai_integrations.llama_index.lucidic.handler",
    "LumiChatStore": "lumnisai_integrations.llama_index.lumi.chat_store",
    "LumiEntityReader": "lumnisai_integrations.llama_index.lumi.reader",
    "LumiFunction": "lumnisai_integrations._shared.lumi.tools",
    "LumiLLM": "lumnisai_integrations.llama_index.lumi.llm",
    "LumiToolSpec": "lumnisai_integrations.llama_index.lumi.tool_spec",
    "LumnisChatStore": "lumnisai_integrations.llama_index.lumnis.chat_store",
    "LumnisFilesReader": "lumnisai_integrations.llama_index.lumnis.reader",
    "LumnisFilesRetriever": "lumnisai_integrations.llama_index.lumnis.retriever",
    "LumnisLLM": "lumnisai_integrations.llama_index.lumnis.llm",
    "LumnisProgressEvent": "lumnisai_integrations.llama_index.lumnis.listeners",
    "LumnisQueryEngine": "lumnisai_integrations.llama_index.lumnis.query_engine",
    "LumnisThreadMemory": "lumnisai_integrations.llama_index.lumnis.memory",
    "LumnisToolSpec": "lumnisai_integrations.llama_index.lumnis.tool",
    "StructuredOutputError": "lumnisai_core.tools",
    "register": "lumnisai_integrations.llama_index.lumnis.llm",
}

__getattr__: Callable[[str], object] = lazy_names(__name__, _HOMES, extra="llama-index")
