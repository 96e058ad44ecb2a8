"""The guard that keeps personal data out of chains, models, agents, tools and retrievers of LangChain."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.language_models import BaseChatModel
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable
from langchain_core.runnables.base import coerce_to_runnable
from langchain_core.tools import BaseTool, tool

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.privacy.guard import Guard
from lumnisai_integrations.langchain.liminal.guarded import GuardedChatModel, GuardedRunnable
from lumnisai_integrations.langchain.liminal.sources import GuardedRetriever, GuardedTool

if TYPE_CHECKING:
    from lumnisai_integrations.langchain.liminal.middleware import LiminalGuardMiddleware

Input = TypeVar("Input")
Output = TypeVar("Output")


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

    def model(self, chat_model: BaseChatModel) -> BaseChatModel:
        """Return a chat model behind the guard.

        Its messages, tool calls and structured output come back with the true values. The model itself, its callbacks,
        its cache and its traces have placeholders only.

        Args:
            chat_model: Any chat model.
        """
        _check("chat_model", chat_model, BaseChatModel)
        return GuardedChatModel(guard=self, bound=chat_model)

    def chain(self, runnable: Runnable[Input, Output] | Callable[[Input], Output]) -> Runnable[Input, Output]:
        """Return a chain, an agent or a graph behind the guard.

        All its steps have placeholders only, and so have callbacks and checkpoints; its result has the true values. Put
        tools and retrievers that need the true values behind :meth:`tools` and :meth:`retriever`.

        Args:
            runnable: Any runnable, or a function.
        """
        return GuardedRunnable(self, coerce_to_runnable(runnable))

    def retriever(self, retriever: BaseRetriever) -> BaseRetriever:
        """Return a retriever for use inside a guarded chain: it searches for the true values, its documents have none.

        Args:
            retriever: Any retriever.
        """
        _check("retriever", retriever, BaseRetriever)
        return GuardedRetriever(guard=self, retriever=retriever, tags=retriever.tags, metadata=retriever.metadata)

    def tools(self, tools: Iterable[BaseTool | Callable[..., Any]]) -> list[BaseTool]:
        """Return tools for use by a guarded agent: they get the true values, their results have placeholders.

        Args:
            tools: Tools or functions.
        """
        made = [one if isinstance(one, BaseTool) else tool(one) for one in tools]
        return [one if isinstance(one, GuardedTool) else GuardedTool(self, one) for one in made]

    def middleware(self) -> LiminalGuardMiddleware:
        """Return middleware for ``create_agent``: its model sees placeholders, its tools the true values.

        Call the agent as ``guard.chain(agent)``, which also keeps the values out of the callbacks and the checkpoints
        of the agent itself: its input and its result are outside of any middleware.

        Raises:
            ImportError: The package ``langchain`` is not installed.
        """
        try:
            module = import_module("lumnisai_integrations.langchain.liminal.middleware")
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith("lang"):
                raise
            message = "guard.middleware() needs the package langchain: pip install langchain"
            raise ImportError(message, name=error.name) from error
        middleware: LiminalGuardMiddleware = module.LiminalGuardMiddleware(self)
        return middleware


def _check(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise ValidationError(f"{name} must be a {kind.__name__}, got {type(value).__name__}")
