"""Typed streams of models and graphs (events of version 3), with the true values in everything that they yield."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from langchain_core.language_models.chat_model_stream import AsyncChatModelStream, ChatModelStream

from lumnisai_integrations._shared.privacy.guard import Exchange, Flow, Guard
from lumnisai_integrations._shared.privacy.streams import aleaving, leaving
from lumnisai_integrations.langchain.liminal.contents import Stream, special


def restored_run(guard: Guard, exchange: Exchange, run: Any) -> Any:
    """Return a typed stream that yields the true values.

    Args:
        guard: The guard.
        exchange: Knows the values.
        run: The stream of a chat model or of a graph, from which nothing was read yet.

    Raises:
        NotImplementedError: It is the stream of something else.
    """
    if isinstance(run, AsyncChatModelStream):
        return _RestoredAsyncStream(guard, Stream(guard, exchange), run)
    if isinstance(run, ChatModelStream):
        return _restored_stream(guard, Stream(guard, exchange), run)
    graphs: Any = sys.modules.get("langgraph.stream.run_stream")
    # All that such a run yields is made of the parts of one iterator.
    if graphs and isinstance(run, graphs.GraphRunStream):
        run._graph_iter = _restored_parts(guard, _Parts(guard, exchange), run._graph_iter)
    elif graphs and isinstance(run, graphs.AsyncGraphRunStream):
        run._graph_aiter = _arestored_parts(guard, _Parts(guard, exchange), run._graph_aiter)
    else:
        raise NotImplementedError(
            f'Events of version "v3" are restored for chat models and graphs, got {type(run).__name__}: use "v2".'
        )
    return run


def _restored_stream(guard: Guard, stream: Stream, events: ChatModelStream) -> ChatModelStream:
    restored = ChatModelStream(message_id=events.message_id)
    source = iter(events)

    def pump() -> bool:
        try:
            event = next(source)
            for ready in guard.run(stream.protocol_event(event)):
                restored.dispatch(ready)
        except StopIteration:
            return False
        except BaseException as error:  # noqa: BLE001 - raised where the stream is read
            restored.fail(error)
            return False
        return True

    restored.bind_pump(pump)
    return restored


class _RestoredAsyncStream(AsyncChatModelStream):
    """Content blocks as they arrive, restored."""

    def __init__(self, guard: Guard, stream: Stream, events: AsyncChatModelStream) -> None:
        super().__init__(message_id=events.message_id)
        self._source = events
        source = aiter(events)

        async def pump() -> bool:
            try:
                event = await anext(source)
                for ready in await guard.arun(stream.protocol_event(event)):
                    self.dispatch(ready)
            except StopAsyncIteration:
                return False
            except BaseException as error:
                self.fail(error)
                if not isinstance(error, Exception):
                    raise
                return False
            return True

        self.set_arequest_more(pump)

    async def aclose(self) -> None:
        """Stop the model's run."""
        await self._source.aclose()


class _Parts:
    """Restores the parts of a graph's stream: messages piece by piece, each run for itself, other parts whole."""

    def __init__(self, guard: Guard, exchange: Exchange) -> None:
        self._guard = guard
        self._exchange = exchange
        self._runs: dict[str, Stream] = {}

    def restored(self, part: Mapping[str, Any]) -> Flow[list[dict[str, Any]]]:
        """Return the parts to yield for a part."""
        match part:
            case {"type": "messages", "data": (payload, {"run_id": run_id} as about)}:
                stream = self._runs.setdefault(str(run_id), Stream(self._guard, self._exchange))
                is_event = isinstance(payload, dict) and "event" in payload
                ready = yield from stream.protocol_event(payload) if is_event else stream.feed(payload)
                return [{**part, "data": (one, about)} for one in ready]
        whole = yield from self._guard.restored(dict(part), self._exchange, special)
        return [whole]


def _restored_parts(guard: Guard, parts: _Parts, source: Iterator[Any]) -> Iterator[Any]:
    with leaving(source) as values:
        for part in values:
            yield from guard.run(parts.restored(part))


async def _arestored_parts(guard: Guard, parts: _Parts, source: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async with aleaving(source) as values:
        async for part in values:
            for ready in await guard.arun(parts.restored(part)):
                yield ready
