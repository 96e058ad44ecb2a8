"""The handler that records spans and events of LlamaIndex into Lucidic."""

from __future__ import annotations

import inspect
from inspect import BoundArguments
from types import AsyncGeneratorType, FrameType, GeneratorType
from typing import Any, Self
from weakref import WeakKeyDictionary

from llama_index.core.instrumentation.events.exception import ExceptionEvent
from llama_index.core.instrumentation.events.llm import (
    LLMChatEndEvent,
    LLMChatInProgressEvent,
    LLMChatStartEvent,
    LLMCompletionEndEvent,
    LLMCompletionInProgressEvent,
    LLMCompletionStartEvent,
)
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.dispatcher import Dispatcher
from llama_index_instrumentation.event_handlers import BaseEventHandler
from llama_index_instrumentation.span import BaseSpan, active_span_id
from llama_index_instrumentation.span_handlers import BaseSpanHandler
from pydantic import PrivateAttr
from typing_extensions import override

import lumnisai_core.lucidic as lai
from lumnisai_integrations._shared.lucidic import Extent, Place, Recorder, parameters_of
from lumnisai_integrations.llama_index.lucidic.convert import (
    answer_of,
    event_id_of,
    is_model_call,
    message_of,
    opening_of,
    plain,
)

#: Packages whose events say nothing that their spans do not say, but for those of models.
_OWN_EVENTS = ("llama_index.core.", "llama_index_instrumentation.", "workflows.")


_LAZY = (GeneratorType, AsyncGeneratorType)


def _frame_of(lazy: Any) -> FrameType | None:
    frame: FrameType | None = lazy.gi_frame if isinstance(lazy, GeneratorType) else lazy.ag_frame
    return frame


class LucidicHandler(BaseSpanHandler[BaseSpan], BaseEventHandler):
    """Records everything that LlamaIndex does: ``LucidicHandler().install()``, or ``with LucidicHandler(): ...``.

    Each span is an event: model calls with messages by role, tool calls, usage and the time to the first token; tools
    with arguments and results; retrievers with nodes; query engines, synthesizers, agents and workflow steps with what
    goes in and out; errors with a traceback; progress of Lumnis runs and events of the program's own as children.
    Parents come from LlamaIndex's span ids, so that they are right in threads, tasks and workflows. A model call that
    is streamed ends with its stream.

    Handlers only note what happened; it is sent in the background. Events belong to the session that is current where
    a root span starts, as set by :func:`lumnisai_core.lucidic.init` or a bound session; without one nothing is
    recorded.

    Args:
        session_id: Session of all spans. Default: the current session where a root span starts.
        inputs: Whether messages, arguments and queries are recorded. Default True.
        outputs: Whether answers, tool calls, results, nodes and the texts of errors are recorded. Default True.
        sample_rate: Share of the root spans that are recorded, each with all that belongs to it: 0 to 1. Default 1.
        max_characters: Characters of each text, after which it is cut off. Default: no limit.

    Raises:
        ValidationError: A value is invalid.
        ImportError: The extra ``lucidic`` is not installed.
    """

    _recorder: Recorder = PrivateAttr()
    _streams: set[str] = PrivateAttr(default_factory=set)
    #: Generators that spans have returned, and where what they do when they are read belongs.
    _lazy: WeakKeyDictionary[Any, Place] = PrivateAttr(default_factory=WeakKeyDictionary)

    def __init__(
        self,
        session_id: str | None = None,
        *,
        inputs: bool = True,
        outputs: bool = True,
        sample_rate: float = 1.0,
        max_characters: int | None = None,
    ) -> None:
        super().__init__()
        lai.add_run_finder(_enclosing)
        self._recorder = Recorder(Extent(inputs, outputs, sample_rate, max_characters), session_id)

    @classmethod
    def class_name(cls) -> str:
        """Return the name of the class, as LlamaIndex asks for it."""
        return "LucidicHandler"

    # Installing

    def install(self, dispatcher: Dispatcher | None = None) -> Self:
        """Record from now on; a second call changes nothing.

        Args:
            dispatcher: What to record. Default: all of LlamaIndex, in the whole process.
        """
        dispatcher = dispatcher or get_dispatcher()
        if self._recorder not in _installed:
            _installed.append(self._recorder)
        # By identity: models with equal fields are equal.
        if not any(handler is self for handler in dispatcher.span_handlers):
            dispatcher.add_span_handler(self)
        if not any(handler is self for handler in dispatcher.event_handlers):
            dispatcher.add_event_handler(self)
        return self

    def uninstall(self, dispatcher: Dispatcher | None = None) -> None:
        """Record no more, and record spans that are open as unfinished.

        Args:
            dispatcher: The argument of :meth:`install`.
        """
        dispatcher = dispatcher or get_dispatcher()
        dispatcher.span_handlers[:] = [handler for handler in dispatcher.span_handlers if handler is not self]
        dispatcher.event_handlers[:] = [handler for handler in dispatcher.event_handlers if handler is not self]
        _installed[:] = [recorder for recorder in _installed if recorder is not self._recorder]
        self.close()

    def __enter__(self) -> Self:
        return self.install()

    def __exit__(self, *error: object) -> None:
        self.uninstall()

    @override
    def close(self) -> None:
        """Record spans that are open as unfinished. Needed only if a program ends in the middle of them."""
        self._streams.clear()
        self._recorder.close()

    # Spans. Nothing is returned, because the base class would keep it.

    @override
    def new_span(
        self,
        id_: str,
        bound_args: BoundArguments,
        instance: Any = None,
        parent_span_id: str | None = None,
        tags: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin the event of a span."""
        opening = opening_of(id_, instance, bound_args)
        self._recorder.start(
            id_,
            parent_span_id,
            event_id_of(id_),
            opening.kind,
            known=opening.known,
            inputs=opening.inputs,
            metadata=tags or None,
            within=self._place_of_reader() if parent_span_id is None else None,
        )

    def _place_of_reader(self) -> Place | None:
        """Return the place of a span that begins while a generator is read, from the frames that are running.

        The context of the span that returned the generator is gone by then.
        """
        frames = {id(_frame_of(lazy)): place for lazy, place in list(self._lazy.items())}
        frame = inspect.currentframe() if frames else None
        while frame is not None:
            if id(frame) in frames:
                return frames[id(frame)]
            frame = frame.f_back
        return None

    @override
    def prepare_to_exit_span(
        self, id_: str, bound_args: BoundArguments, instance: Any = None, result: Any = None, **kwargs: Any
    ) -> None:
        """End the event of a span; that of a streamed model call ends with the stream."""
        place = self._recorder.place(id_) if isinstance(result, _LAZY) else None
        if place is not None:
            self._lazy[result] = place
        if not is_model_call(id_, instance):
            self._recorder.end(id_, outputs={} if result is None else {"return_value": plain(result)})
        elif isinstance(result, _LAZY):
            self._streams.add(id_)
            self._recorder.detach(id_)
        else:
            self._recorder.end(id_, known={"status": "ok"})

    @override
    def prepare_to_drop_span(
        self,
        id_: str,
        bound_args: BoundArguments,
        instance: Any = None,
        err: BaseException | None = None,
        **kwargs: Any,
    ) -> None:
        """End the event of a span with an error."""
        self._recorder.end(id_, error=err if err is not None else "dropped")

    # Events

    @override
    def handle(self, event: BaseEvent, **kwargs: Any) -> None:
        """Record what an event adds to its span."""
        key = event.span_id
        if key is None:
            return
        match event:
            case LLMChatInProgressEvent() | LLMCompletionInProgressEvent():
                if event.response is not None and event.response.delta:
                    self._recorder.first_token(key)
            case LLMChatStartEvent():
                self._asked(key, [message_of(message) for message in event.messages], event)
            case LLMCompletionStartEvent():
                self._asked(key, [{"role": "user", "content": event.prompt}], event)
            case LLMChatEndEvent() | LLMCompletionEndEvent():
                known, outputs = answer_of(event.response)
                self._recorder.add(key, known=known, outputs=outputs)
                self._end_stream(key, None)
            case ExceptionEvent():
                self._end_stream(key, event.exception)
            case _ if not type(event).__module__.startswith(_OWN_EVENTS):
                details = event.model_dump(exclude={"id_", "span_id", "tags", "timestamp", "class_name"})
                self._recorder.note(key, type(event).__name__, details)

    def _asked(
        self, key: str, messages: list[dict[str, Any]], event: LLMChatStartEvent | LLMCompletionStartEvent
    ) -> None:
        settings = {**event.model_dict, **event.additional_kwargs}
        parameters = parameters_of(settings)
        tools = event.additional_kwargs.get("tools")
        self._recorder.add(
            key,
            known={"params": parameters} if parameters else {},
            inputs={"messages": messages, **({"tools": plain(tools)} if tools else {})},
        )

    def _end_stream(self, key: str, error: BaseException | None) -> None:
        if key in self._streams:
            self._streams.discard(key)
            if error is None:
                self._recorder.end(key, known={"status": "ok"})
            else:
                self._recorder.end(key, error=error)


#: Recorders of handlers that are installed.
_installed: list[Recorder] = []


def _enclosing() -> lai.EnclosingRun | None:
    """Return the span in which the caller is, such as a tool."""
    key = active_span_id.get()
    if key is None:
        return None
    return next((found for one in _installed if (found := one.enclosing(key)) is not None), None)


def instrument() -> None:
    """Record all of LlamaIndex in this process; a second call changes nothing."""
    if not any(isinstance(handler, LucidicHandler) for handler in get_dispatcher().span_handlers):
        LucidicHandler().install()
