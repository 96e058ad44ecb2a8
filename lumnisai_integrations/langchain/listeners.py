"""Progress of a run as LangChain's custom event ``lumnis_progress`` and in LangGraph's custom stream."""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Any, TypeAlias

from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.callbacks.manager import BaseRunManager, ahandle_event, handle_event

from lumnisai_core import RunUpdate

PROGRESS_EVENT = "lumnis_progress"

_DEAF = (BaseCallbackHandler.on_custom_event, AsyncCallbackHandler.on_custom_event)


def progress_callback(run_manager: BaseRunManager | None) -> Callable[[RunUpdate], None] | None:
    """Return a listener that passes news on to the callbacks of a LangChain run and to LangGraph's custom stream.

    Callbacks hear the event ``lumnis_progress`` with the id of that run and the data of :meth:`RunUpdate.as_data`. In a
    node of a graph that is streamed with ``stream_mode="custom"`` the same data come as ``{"lumnis_progress": data}``.
    What a handler or a stream raises is logged and does not end the run.

    Args:
        run_manager: The manager of a model, chain or tool run, or None if the run has none.

    Returns:
        The listener, or None if nobody wants the news: listening makes polls shorter.
    """
    handlers, write = _listening(run_manager), graph_writer()
    if not handlers and write is None:
        return None
    about = _about(run_manager)

    def tell(update: RunUpdate) -> None:
        data = update.as_data()
        if write is not None:
            write({PROGRESS_EVENT: data})
        handle_event(handlers, "on_custom_event", "ignore_custom_event", PROGRESS_EVENT, data, **about)

    return tell


def async_progress_callback(run_manager: BaseRunManager | None) -> Callable[[RunUpdate], Awaitable[None]] | None:
    """Do the same for asyncio; handlers may be functions or coroutine functions."""
    handlers, write = _listening(run_manager), graph_writer()
    if not handlers and write is None:
        return None
    about = _about(run_manager)
    for handler in handlers:
        if run_manager is not None and hasattr(handler, "watch_task"):  # a LumnisProgressHandler
            handler.watch_task(run_manager.run_id)

    async def tell(update: RunUpdate) -> None:
        data = update.as_data()
        if write is not None:
            write({PROGRESS_EVENT: data})
        await ahandle_event(handlers, "on_custom_event", "ignore_custom_event", PROGRESS_EVENT, data, **about)

    return tell


def _listening(run_manager: BaseRunManager | None) -> list[BaseCallbackHandler]:
    # Listening makes polls shorter, so that a mere tracer must not count.
    handlers = run_manager.handlers if run_manager else []
    return [handler for handler in handlers if type(handler).on_custom_event not in _DEAF]


def _about(run_manager: BaseRunManager | None) -> dict[str, Any]:
    if run_manager is None:
        return {}
    return {"run_id": run_manager.run_id, "tags": run_manager.tags, "metadata": run_manager.metadata}


#: Takes one item for ``stream_mode="custom"``.
GraphWriter: TypeAlias = Callable[[dict[str, Any]], None]

_logger = logging.getLogger("lumnisai_integrations")


def graph_writer() -> GraphWriter | None:
    """Return what reaches the custom stream of the graph whose node is running; None if nobody reads one."""
    # Who runs in a node has LangGraph loaded. Others need not pay for importing it.
    graphs = sys.modules.get("langgraph.config")
    if graphs is None:
        return None
    try:
        writer: GraphWriter = graphs.get_stream_writer()
    except (RuntimeError, LookupError, AttributeError, TypeError):  # not in a node
        return None
    if _does_nothing(writer):
        return None
    context = copy_context()  # the writer asks for the config of the node, also when a stream is read elsewhere

    def write(item: dict[str, Any]) -> None:
        try:
            context.run(writer, item)
        except Exception:
            _logger.warning("Progress does not reach the custom stream of the graph; the run goes on.", exc_info=True)

    return write


def _does_nothing(writer: GraphWriter) -> bool:
    # A graph that is not streamed with "custom" has a writer, too: a function with an empty body, which names nothing.
    code = getattr(writer, "__code__", None)
    return code is not None and not code.co_names and not code.co_freevars
