"""Progress of a run as LangChain's custom event ``lumnis_progress``, and a handler that shows it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count
from typing import Any
from uuid import UUID

from langchain_core.callbacks import (
    AsyncCallbackHandler,
    AsyncCallbackManagerForLLMRun,
    BaseCallbackHandler,
    CallbackManagerForLLMRun,
)
from langchain_core.callbacks.manager import ahandle_event, handle_event
from langchain_core.messages import BaseMessage
from typing_extensions import override

from lumnisai_core import RunUpdate, ToolCall
from lumnisai_integrations.langchain.convert import progress_data

PROGRESS_EVENT = "lumnis_progress"

_DEAF = (BaseCallbackHandler.on_custom_event, AsyncCallbackHandler.on_custom_event)


def progress_callback(run_manager: CallbackManagerForLLMRun | None) -> Callable[[RunUpdate], None] | None:
    """Return a listener that passes news on to the callbacks of a model run; None if none of them wants it.

    The event carries the model run's own id, and its data are those of :func:`progress_data`. A handler that raises is
    logged and does not end the run.
    """
    handlers = _listening(run_manager)
    if run_manager is None or not handlers:
        return None
    about = _about(run_manager)

    def tell(update: RunUpdate) -> None:
        handle_event(handlers, "on_custom_event", "ignore_custom_event", PROGRESS_EVENT, progress_data(update), **about)

    return tell


def async_progress_callback(
    run_manager: AsyncCallbackManagerForLLMRun | None,
) -> Callable[[RunUpdate], Awaitable[None]] | None:
    """Do the same for asyncio; handlers may be functions or coroutine functions."""
    handlers = _listening(run_manager)
    if run_manager is None or not handlers:
        return None
    about = _about(run_manager)

    async def tell(update: RunUpdate) -> None:
        await ahandle_event(
            handlers, "on_custom_event", "ignore_custom_event", PROGRESS_EVENT, progress_data(update), **about
        )

    return tell


def _listening(
    run_manager: CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun | None,
) -> list[BaseCallbackHandler]:
    # Listening makes polls shorter, so that a mere tracer must not count.
    handlers = run_manager.handlers if run_manager else []
    return [handler for handler in handlers if type(handler).on_custom_event not in _DEAF]


def _about(run_manager: CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun) -> dict[str, Any]:
    return {"run_id": run_manager.run_id, "tags": run_manager.tags, "metadata": run_manager.metadata}


def progress_text_lines(data: Mapping[str, Any]) -> list[str]:
    """Write the data of one event as lines: ``STATE: message``, then an indented line for each tool call."""
    shows_message = data["message"] and data["state"] != "tool_update"
    entry = [f"{data['state'].upper()}: {data['message']}"] if shows_message else []
    return entry + [f"  {ToolCall.model_validate(call)}" for call in data["tool_calls"]]


def _to_stdout(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class LumnisProgressHandler(BaseCallbackHandler):
    """Shows what agents are doing, line by line: ``config={"callbacks": [LumnisProgressHandler()]}``.

    It works in blocking and asyncio code, with ``invoke``, ``batch`` and ``stream``. While several runs are going on
    each line begins with the number of its run, such as ``[2] PLANNING: Looking up tides.``

    Args:
        sink: Called with each line, without a line break. Default: prints to standard output.
    """

    run_inline = True  # in the order of the news, not in a pool of threads

    def __init__(self, sink: Callable[[str], object] | None = None) -> None:
        super().__init__()
        self._sink = sink or _to_stdout
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._active: dict[UUID, int] = {}

    @override
    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        metadata: Mapping[str, Any] | None = None,
        **known: Any,
    ) -> None:
        """Give a run its number."""
        if (metadata or {}).get("ls_provider") == "lumnis":
            with self._lock:
                self._active[run_id] = next(self._numbers)

    @override
    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **known: Any) -> None:
        """Show news that comes as an event."""
        if name == PROGRESS_EVENT:
            self._show([data], run_id)

    @override
    def on_llm_new_token(self, token: Any, *, chunk: Any = None, run_id: UUID, **known: Any) -> None:
        """Show news that comes as a chunk of a stream."""
        kwargs = getattr(getattr(chunk, "message", None), "additional_kwargs", {})
        self._show(kwargs.get(PROGRESS_EVENT, ()), run_id)

    @override
    def on_llm_end(self, response: Any, *, run_id: UUID, **known: Any) -> None:
        """Forget the run."""
        self._forget(run_id)

    @override
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **known: Any) -> None:
        """Forget the run."""
        self._forget(run_id)

    def _show(self, news: Sequence[Mapping[str, Any]], run_id: UUID) -> None:
        lines = [line for data in news for line in progress_text_lines(data)]
        with self._lock:  # lines of one update stay together
            number = self._active.get(run_id)
            label = f"[{number}] " if number is not None and len(self._active) > 1 else ""
            for line in lines:
                self._sink(label + line)

    def _forget(self, run_id: UUID) -> None:
        with self._lock:
            self._active.pop(run_id, None)
