"""The guard that keeps personal data out of LLMs, engines, tools and nodes of LlamaIndex."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.chat_engine.types import BaseChatEngine
from llama_index.core.llms import LLM
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.tools import BaseTool, FunctionTool

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.privacy.guard import Guard
from lumnisai_integrations.llama_index.liminal.engines import GuardedChatEngine, GuardedQueryEngine
from lumnisai_integrations.llama_index.liminal.guarded import GuardedLLM
from lumnisai_integrations.llama_index.liminal.sources import (
    GuardedFunctionTool,
    GuardedPostprocessor,
    GuardedRetriever,
    GuardedTool,
)


class LiminalGuard(Guard):
    """Keeps personal data out of what it guards: placeholders go in, and what comes back has the values again.

    One guard stands for one conversation: it uses one thread of the gateway, in which the same value always has the
    same placeholder, and whoever calls what it guards gets the values of that thread. Guards are cheap: make one for
    each conversation, with the same client.

    Args:
        client: Client of the gateway, blocking or asyncio; either serves both kinds of calls. Default: clients with the
            settings of the environment (``LIMINAL_API_SERVER_URL``, ``LIMINAL_TOKEN`` and so on).
        model_instance: Name or id of the model instance whose policy applies. Default: the only one there is.
        thread_id: Thread to continue. Default: a new one, made with the first call.
        on_unavailable: What happens when the gateway cannot be reached: with ``refuse`` (default) the call raises, with
            ``withhold`` it continues, and each text that could not be cleansed is replaced by a notice. A text never
            passes as it is.

    Raises:
        ConfigurationError: A value is invalid, or the environment has no settings.
    """

    def llm(self, llm: LLM) -> LLM:
        """Return an LLM behind the guard.

        Its messages, tool calls and objects come back with the true values. The LLM itself, its events and its
        callbacks have placeholders only.

        Args:
            llm: Any LLM.
        """
        _check("llm", llm, LLM)
        return GuardedLLM(self, llm)

    def query_engine(self, engine: BaseQueryEngine) -> BaseQueryEngine:
        """Return a query engine behind the guard; retrievers inside search for the true values and show none.

        Args:
            engine: Any query engine; it stays as it is.
        """
        _check("engine", engine, BaseQueryEngine)
        return GuardedQueryEngine(self, engine)

    def chat_engine(self, engine: BaseChatEngine) -> BaseChatEngine:
        """Return a chat engine behind the guard. Its memory has placeholders only.

        Args:
            engine: Any chat engine.
        """
        _check("engine", engine, BaseChatEngine)
        return GuardedChatEngine(self, engine)

    def postprocessor(self) -> BaseNodePostprocessor:
        """Return a node postprocessor that puts placeholders into retrieved nodes."""
        return GuardedPostprocessor(guard=self)

    def retriever(self, retriever: BaseRetriever) -> BaseRetriever:
        """Return a retriever that searches for the true values and whose nodes have placeholders.

        Args:
            retriever: Any retriever.
        """
        _check("retriever", retriever, BaseRetriever)
        return GuardedRetriever(self, retriever)

    def tools(self, tools: Iterable[BaseTool | Callable[..., Any]]) -> list[BaseTool]:
        """Return tools for use by an agent: they get the true values, their outputs have placeholders.

        Args:
            tools: Tools or functions.
        """
        made = [one if isinstance(one, BaseTool) else FunctionTool.from_defaults(one) for one in tools]
        return [self._tool(one) for one in made]

    def _tool(self, tool: BaseTool) -> BaseTool:
        match tool:
            case GuardedTool() | GuardedFunctionTool():
                return tool
            case FunctionTool():
                return GuardedFunctionTool(self, tool)
        return GuardedTool(self, tool)


def _check(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise ValidationError(f"{name} must be a {kind.__name__}, got {type(value).__name__}")
