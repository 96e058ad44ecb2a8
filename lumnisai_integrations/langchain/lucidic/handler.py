"""The callback handler that records runs of LangChain and LangGraph into Lucidic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Literal, Self
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers.context import register_configure_hook
from typing_extensions import override

import lumnisai_core.lucidic as lai
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lucidic import EventType
from lumnisai_integrations._shared.lucidic import Extent, Recorder
from lumnisai_integrations.langchain.lucidic.convert import (
    arguments_of,
    document_of,
    generation_of,
    message_of,
    model_of,
    name_of,
    plain,
    tool_result_of,
)

#: Tag of the runs by which LangGraph does its own work.
_HIDDEN = "langsmith:hidden"

_CHAINS = {"function_call": EventType.FUNCTION_CALL, "generic": EventType.GENERIC, None: None}


class LucidicCallbackHandler(BaseCallbackHandler):
    """Records everything that chains, agents and graphs do: ``config={"callbacks": [LucidicCallbackHandler()]}``.

    Each run of LangChain is an event: model calls with messages by role, tool calls, usage and the time to the first
    token; tools with arguments and results; retrievers with documents; chains and nodes with what goes in and out;
    errors with a traceback; progress of Lumnis runs and custom events as children. Parents come from LangChain's run
    ids, so that they are right in threads, tasks, batches and streams, and one handler may serve any number of runs at
    once. Runs of a cancelled task are recorded as cancelled.

    Callbacks only note what happened; it is sent in the background. Events belong to the session that is current where
    a root run starts, as set by :func:`lumnisai_core.lucidic.init` or a bound session; without one nothing is recorded.

    Args:
        session_id: Session of all runs. Default: the current session where a root run starts.
        inputs: Whether messages, arguments and queries are recorded. Default True.
        outputs: Whether answers, tool calls, results, documents and the texts of errors are recorded. Default True.
        sample_rate: Share of the root runs that are recorded, each with all that belongs to it: 0 to 1. Default 1.
        max_characters: Characters of each text, after which it is cut off. Default: no limit.
        chains: Type of the events of chains, graphs and nodes: ``function_call`` (default) or ``generic``. None leaves
            them out; what they run then belongs to the run around them.

    Raises:
        ValidationError: A value is invalid.
        ImportError: The extra ``lucidic`` is not installed.
    """

    run_inline = True  # in the order of the calls and in their context, not in a pool of threads

    def __init__(
        self,
        session_id: str | None = None,
        *,
        inputs: bool = True,
        outputs: bool = True,
        sample_rate: float = 1.0,
        max_characters: int | None = None,
        chains: Literal["function_call", "generic"] | None = "function_call",
    ) -> None:
        super().__init__()
        if chains not in _CHAINS:
            raise ValidationError(f"chains must be 'function_call', 'generic' or None, not {chains!r}.")
        self._chains = _CHAINS[chains]
        lai.add_run_finder(_enclosing)
        self._recorder = Recorder(Extent(inputs, outputs, sample_rate, max_characters), session_id)

    def close(self) -> None:
        """Record runs that are still open as unfinished. Needed only if a program ends in the middle of runs."""
        self._recorder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # Starts

    def _start(
        self,
        run_id: UUID,
        parent: UUID | None,
        kind: EventType | None,
        *,
        known: Mapping[str, Any],
        inputs: Mapping[str, Any],
        tags: Sequence[str] | None,
        metadata: Mapping[str, Any] | None,
    ) -> None:
        self._recorder.start(
            str(run_id),
            None if parent is None else str(parent),
            run_id,
            kind,
            known=known,
            inputs=inputs,
            tags=tags or None,
            metadata=metadata or None,
        )

    @override
    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin the event of a chain, a graph or a node."""
        kind = None if tags and _HIDDEN in tags else self._chains
        shown = name_of(serialized, name, "chain")
        is_call = kind is EventType.FUNCTION_CALL
        known = {"function_name": shown} if is_call else {"name": shown}
        given = arguments_of(inputs) if is_call else {"inputs": plain(inputs)}
        self._start(
            run_id, parent_run_id, kind, known=known, inputs={} if kind is None else given, tags=tags, metadata=metadata
        )

    @override
    def on_chat_model_start(
        self,
        serialized: dict[str, Any] | None,
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin the event of a chat model's call."""
        asked = {"messages": [message_of(message) for several in messages for message in several]}
        self._start_model(serialized, asked, run_id, parent_run_id, tags, metadata, kwargs)

    @override
    def on_llm_start(
        self,
        serialized: dict[str, Any] | None,
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin the event of a text model's call."""
        asked = {"messages": [{"role": "user", "content": prompt} for prompt in prompts]}
        self._start_model(serialized, asked, run_id, parent_run_id, tags, metadata, kwargs)

    def _start_model(
        self,
        serialized: dict[str, Any] | None,
        asked: dict[str, Any],
        run_id: UUID,
        parent: UUID | None,
        tags: list[str] | None,
        metadata: dict[str, Any] | None,
        about: dict[str, Any],
    ) -> None:
        invocation = about.get("invocation_params")
        known = model_of(invocation, metadata, name_of(serialized, about.get("name"), "unknown"))
        tools = (invocation or {}).get("tools")
        inputs = {**asked, "tools": plain(tools)} if tools else asked
        self._start(run_id, parent, EventType.LLM_GENERATION, known=known, inputs=inputs, tags=tags, metadata=metadata)

    @override
    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin the event of a tool."""
        known = {"function_name": name_of(serialized, kwargs.get("name"), "tool")}
        if call_id := kwargs.get("tool_call_id"):
            known["tool_call_id"] = str(call_id)
        given = {"arguments": plain(inputs) if inputs is not None else {"input": input_str}}
        self._start(
            run_id, parent_run_id, EventType.FUNCTION_CALL, known=known, inputs=given, tags=tags, metadata=metadata
        )

    @override
    def on_retriever_start(
        self,
        serialized: dict[str, Any] | None,
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin the event of a retriever."""
        known = {"function_name": name_of(serialized, kwargs.get("name"), "retriever")}
        given = {"arguments": {"query": query}}
        self._start(
            run_id, parent_run_id, EventType.FUNCTION_CALL, known=known, inputs=given, tags=tags, metadata=metadata
        )

    # In between

    @override
    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Note the time of the first token."""
        self._recorder.first_token(str(run_id))

    @override
    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Record progress of a Lumnis run, or an event of the program's own, as a child of the run."""
        self._recorder.note(str(run_id), name, data if isinstance(data, Mapping) else {"data": plain(data)})

    # Ends

    @override
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """End the event of a chain."""
        key = str(run_id)
        if key in self._recorder:
            name = "return_value" if self._chains is EventType.FUNCTION_CALL else "outputs"
            late = kwargs.get("inputs")  # those of a chain that reads a stream are known only now
            self._recorder.end(key, known=self._late_inputs(late), outputs={name: plain(outputs)})

    def _late_inputs(self, inputs: Any) -> dict[str, Any]:
        if not inputs or self._chains is not EventType.FUNCTION_CALL:
            return {}
        return self._recorder.extent.of_inputs(arguments_of(inputs))

    @override
    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """End the event of a model's call."""
        known, outputs = generation_of(response)
        self._recorder.end(str(run_id), known={"status": "ok", **known}, outputs=outputs)

    @override
    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """End the event of a tool."""
        self._recorder.end(str(run_id), outputs=tool_result_of(output))

    @override
    def on_retriever_end(self, documents: Sequence[Document], *, run_id: UUID, **kwargs: Any) -> None:
        """End the event of a retriever."""
        found = [document_of(document) for document in documents]
        self._recorder.end(str(run_id), known={"documents": len(found)}, outputs={"return_value": found})

    def _on_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """End an event with an error; a graph that waits for a person raises one that is not an error."""
        if any(kind.__name__ == "GraphBubbleUp" for kind in type(error).__mro__):
            self._recorder.end(str(run_id), known={"status": "interrupted"})
        else:
            self._recorder.end(str(run_id), error=error)

    on_chain_error: Callable[..., None] = _on_error
    on_tool_error: Callable[..., None] = _on_error
    on_retriever_error: Callable[..., None] = _on_error

    @override
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """End an event with an error, and with what was answered before it."""
        response = kwargs.get("response")
        known, outputs = generation_of(response) if isinstance(response, LLMResult) else ({}, {})
        self._recorder.end(str(run_id), known=known, outputs=outputs, error=error)


def _enclosing() -> lai.EnclosingRun | None:
    """Return the run in which the caller is, such as a tool, from the config that LangChain keeps for its children."""
    config = var_child_runnable_config.get()
    manager = None if config is None else config.get("callbacks")
    run_id = getattr(manager, "parent_run_id", None)
    if run_id is None:
        return None
    handlers = (one for one in getattr(manager, "handlers", ()) if isinstance(one, LucidicCallbackHandler))
    return next((found for one in handlers if (found := one._recorder.enclosing(str(run_id))) is not None), None)


#: The handler of all runs, for ``providers=["langchain"]``; LangChain adds it wherever callbacks are configured.
_everywhere: ContextVar[LucidicCallbackHandler | None] | None = None


def instrument() -> None:
    """Record all runs of LangChain in this process; a second call changes nothing."""
    global _everywhere  # noqa: PLW0603 - one for the process
    if _everywhere is None:
        _everywhere = ContextVar("lucidic_langchain", default=LucidicCallbackHandler())  # noqa: B039 - meant to be shared
        register_configure_hook(_everywhere, inheritable=True)
