"""The custom stream of the graph in whose node the program is running. LangGraph is not imported for it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, TypeAlias

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
