"""Progress listeners: LangChain's custom event ``lumnis_progress`` and LangGraph's custom stream."""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Any, TypeAlias

from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.callbacks.manager import BaseRunManager, ahandle_event, handle_event
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.tracers.base import AsyncBaseTracer, BaseTracer

from lumnisai_core import RunUpdate
from lumnisai_integrations._shared.runs import GrowingAnswer

PROGRESS_EVENT = "lumnis_progress"

#: Writes one item to ``stream_mode="custom"``.
GraphWriter: TypeAlias = Callable[[dict[str, Any]], None]

_EVENT = ("on_custom_event", "ignore_custom_event", PROGRESS_EVENT)
_NOT_OVERRIDDEN = (BaseCallbackHandler.on_custom_event, AsyncCallbackHandler.on_custom_event)
_TOKEN = ("on_llm_new_token", "ignore_llm")
_WITHOUT_TOKENS = (BaseCallbackHandler.on_llm_new_token, AsyncCallbackHandler.on_llm_new_token)
_logger = logging.getLogger("lumnisai_integrations")


def progress_callback(
    run_manager: BaseRunManager | None, answer: GrowingAnswer | None = None
) -> Callable[[RunUpdate], None] | None:
    """Return a listener that passes updates to the callbacks of a LangChain run and to LangGraph's custom stream.

    Callbacks receive the event ``lumnis_progress`` with the id of that run and :meth:`RunUpdate.as_data`. In a node of
    a graph that is streamed with ``stream_mode="custom"`` the same data come as ``{"lumnis_progress": data}``.
    With an ``answer``, its pieces are new tokens for callbacks that take them. Exceptions of a handler or a stream are
    logged and do not end the run. Without a receiver there is no listener, because a listener makes polls shorter.
    """
    handlers, write = _handlers(run_manager), graph_writer()
    takers = [] if answer is None else _token_handlers(run_manager)
    if not handlers and not takers and write is None:
        return None
    about = _about(run_manager)

    def listener(update: RunUpdate) -> None:
        if answer is not None and takers and (piece := answer.piece(update)):
            handle_event(takers, *_TOKEN, piece, chunk=_chunk(update, piece), **_of_run(run_manager))
        data = update.as_data()
        if write is not None:
            write({PROGRESS_EVENT: data})
        handle_event(handlers, *_EVENT, data, **about)

    return listener


def async_progress_callback(
    run_manager: BaseRunManager | None, answer: GrowingAnswer | None = None
) -> Callable[[RunUpdate], Awaitable[None]] | None:
    """Do the same for asyncio; handlers may be functions or coroutine functions."""
    handlers, write = _handlers(run_manager), graph_writer()
    takers = [] if answer is None else _token_handlers(run_manager)
    if not handlers and not takers and write is None:
        return None
    about = _about(run_manager)
    for handler in handlers:
        if run_manager is not None and hasattr(handler, "watch_task"):  # a LumnisProgressHandler
            handler.watch_task(run_manager.run_id)

    async def listener(update: RunUpdate) -> None:
        if answer is not None and takers and (piece := answer.piece(update)):
            await ahandle_event(takers, *_TOKEN, piece, chunk=_chunk(update, piece), **_of_run(run_manager))
        data = update.as_data()
        if write is not None:
            write({PROGRESS_EVENT: data})
        await ahandle_event(handlers, *_EVENT, data, **about)

    return listener


def _handlers(run_manager: BaseRunManager | None) -> list[BaseCallbackHandler]:
    # A tracer does not handle custom events and must not make polls shorter.
    handlers = run_manager.handlers if run_manager else []
    return [handler for handler in handlers if type(handler).on_custom_event not in _NOT_OVERRIDDEN]


def _token_handlers(run_manager: BaseRunManager | None) -> list[BaseCallbackHandler]:
    handlers = run_manager.handlers if run_manager else []
    return [
        handler
        for handler in handlers
        if type(handler).on_llm_new_token not in _WITHOUT_TOKENS
        and not isinstance(handler, BaseTracer | AsyncBaseTracer)
    ]


def _chunk(update: RunUpdate, piece: str) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=piece, id=update.response_id))


def _of_run(run_manager: BaseRunManager | None) -> dict[str, Any]:
    if run_manager is None:
        return {}
    return {"run_id": run_manager.run_id, "parent_run_id": run_manager.parent_run_id, "tags": run_manager.tags}


def _about(run_manager: BaseRunManager | None) -> dict[str, Any]:
    if run_manager is None:
        return {}
    return {"run_id": run_manager.run_id, "tags": run_manager.tags, "metadata": run_manager.metadata}


def graph_writer() -> GraphWriter | None:
    """Return a writer to the custom stream of the graph whose node is running; None if there is no such stream."""
    # Code in a node has LangGraph loaded. Others need not pay for importing it.
    graphs = sys.modules.get("langgraph.config")
    if graphs is None:
        return None
    try:
        writer: GraphWriter = graphs.get_stream_writer()
    except (RuntimeError, LookupError, AttributeError, TypeError):  # not in a node
        return None
    code = getattr(writer, "__code__", None)
    if code is not None and not code.co_names and not code.co_freevars:
        return None  # a graph that is not streamed with "custom" has a writer with an empty body
    context = copy_context()  # the writer reads the config of the node, also when a stream is read elsewhere

    def write(item: dict[str, Any]) -> None:
        try:
            context.run(writer, item)
        except Exception:
            _logger.warning("Progress does not reach the custom stream of the graph; the run continues.", exc_info=True)

    return write
