"""Guarded runnables and chat models: they cleanse their input, run what they guard, and restore its output.

They open no run of their own, so that callbacks, caches and traces see the run of the guarded thing only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.output_parsers import BaseLLMOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult, LLMResult
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSequence, ensure_config
from langchain_core.runnables.config import merge_configs
from pydantic import Field

from lumnisai_integrations._shared.privacy.guard import DESCRIPTIONS, Exchange, Flow, Guard
from lumnisai_integrations._shared.privacy.streams import aleaving, leaving
from lumnisai_integrations.langchain.liminal.contents import Stream, reported, special
from lumnisai_integrations.langchain.liminal.typed_streams import restored_run

#: Key of ``config["configurable"]`` under which a guard finds itself around a run; keys like this stay out of metadata.
WITHIN = "__liminal_guard"

_Version: TypeAlias = Literal["v1", "v2", "v3"]


class _Call:
    """One call of a guarded runnable: input, config and keywords with placeholders, and what restores the output."""

    def __init__(self, guard: Guard, value: Any, config: RunnableConfig, keywords: Mapping[str, Any]) -> None:
        self.guard = guard
        self.exchange = Exchange()
        self.input = value
        self.config = config
        self.keywords = keywords

    def prepare(self) -> Flow[None]:
        """Cleanse the input, and the texts that the config and the keywords show to callbacks."""
        metadata = {name: text for name, text in self.config.get("metadata", {}).items() if isinstance(text, str)}
        keywords = {
            name: value
            for name, value in self.keywords.items()
            if isinstance(value, str | list | dict) and name not in DESCRIPTIONS
        }
        data = (self.input, metadata, keywords)
        self.input, metadata, keywords = yield from self.guard.cleansed(data, self.exchange, special)
        found = {"liminal_findings": dict(self.exchange.findings)} if self.exchange.findings else {}
        within: RunnableConfig = {"configurable": {WITHIN: id(self.guard)}, "metadata": {**metadata, **found}}
        self.config = merge_configs(self.config, within)
        self.keywords = {**self.keywords, **keywords}

    def finish(self, output: Any) -> Flow[Any]:
        """Restore an output."""
        output = yield from self.guard.restored(output, self.exchange, special)
        return reported(self.guard, self.exchange, output)

    def stream(self) -> Stream:
        """Return what restores a stream."""
        return Stream(self.guard, self.exchange)


class _Guarded:
    """Calls of something guarded."""

    def _parts(self) -> tuple[Guard, Any]:
        """Return the guard and what it guards."""
        raise NotImplementedError

    def _call(self, value: Any, config: RunnableConfig | None, keywords: Mapping[str, Any]) -> tuple[Guard, Any, _Call]:
        guard, inner = self._parts()
        return guard, inner, _Call(guard, value, ensure_config(config), keywords)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run it on cleansed input and return its restored output."""
        guard, inner, call = self._call(input, config, kwargs)
        guard.run(call.prepare())
        output = inner.invoke(call.input, call.config, **call.keywords)
        return guard.run(call.finish(output))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run it on cleansed input and return its restored output."""
        guard, inner, call = self._call(input, config, kwargs)
        await guard.arun(call.prepare())
        output = await inner.ainvoke(call.input, call.config, **call.keywords)
        return await guard.arun(call.finish(output))

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Run it on cleansed input and yield its output, restored piece by piece."""
        guard, inner, call = self._call(input, config, kwargs)
        guard.run(call.prepare())
        stream = call.stream()
        with leaving(inner.stream(call.input, call.config, **call.keywords)) as values:
            for value in values:
                yield from guard.run(stream.feed(value))
        yield from guard.run(stream.end())

    async def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Run it on cleansed input and yield its output, restored piece by piece."""
        guard, inner, call = self._call(input, config, kwargs)
        await guard.arun(call.prepare())
        stream = call.stream()
        async with aleaving(inner.astream(call.input, call.config, **call.keywords)) as values:
            async for value in values:
                for ready in await guard.arun(stream.feed(value)):
                    yield ready
        for ready in await guard.arun(stream.end()):
            yield ready

    def stream_events(
        self, input: Any, config: RunnableConfig | None = None, *, version: _Version = "v3", **kwargs: Any
    ) -> Any:
        """Run a model or a graph on cleansed input and return its typed stream (v3), restored."""
        guard, inner, call = self._call(input, config, kwargs)
        guard.run(call.prepare())
        run = inner.stream_events(call.input, call.config, version=version, **call.keywords)
        return restored_run(guard, call.exchange, run)

    def astream_events(
        self, input: Any, config: RunnableConfig | None = None, *, version: _Version = "v2", **kwargs: Any
    ) -> Any:
        """Run it on cleansed input and yield the events of its runs, restored; v3 as in :meth:`stream_events`."""
        if version == "v3":
            return self._av3(input, config, kwargs)
        return self._aevents(input, config, version, kwargs)

    async def _av3(self, value: Any, config: RunnableConfig | None, keywords: Mapping[str, Any]) -> Any:
        guard, inner, call = self._call(value, config, keywords)
        await guard.arun(call.prepare())
        run = await inner.astream_events(call.input, call.config, version="v3", **call.keywords)
        return restored_run(guard, call.exchange, run)

    async def _aevents(
        self, value: Any, config: RunnableConfig | None, version: _Version, keywords: Mapping[str, Any]
    ) -> AsyncIterator[Any]:
        guard, inner, call = self._call(value, config, keywords)
        await guard.arun(call.prepare())
        streams: dict[str, Stream] = {}
        async with aleaving(inner.astream_events(call.input, call.config, version=version, **call.keywords)) as events:
            async for event in events:
                stream = streams.setdefault(event["run_id"], call.stream())
                for ready in await guard.arun(stream.event(event)):
                    yield ready


class GuardedRunnable(_Guarded, Runnable[Any, Any]):
    """A runnable behind a guard.

    Args:
        guard: The guard.
        bound: What it guards.
    """

    def __init__(self, guard: Guard, bound: Runnable[Any, Any]) -> None:
        self.guard = guard
        self.bound = bound
        self.name: str | None = f"guarded {bound.get_name()}"

    def _parts(self) -> tuple[Guard, Any]:
        return self.guard, self.bound

    @property
    def InputType(self) -> Any:  # noqa: N802 - of the base class
        """Type of the input: that of what is guarded."""
        return self.bound.InputType

    @property
    def OutputType(self) -> Any:  # noqa: N802 - of the base class
        """Type of the output: that of what is guarded."""
        return self.bound.OutputType

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.bound!r})"


class GuardedStructure(Runnable[Any, Any]):
    """A guarded model whose answer is parsed after its values are back, because a schema may refuse placeholders.

    Args:
        model: The guarded model.
        parser: Makes the object.
        include_raw: Whether to return the message and an error of the parser, too.
    """

    def __init__(self, model: GuardedRunnable, parser: BaseLLMOutputParser[Any], *, include_raw: bool) -> None:
        self.model = model
        self._parser = parser
        self._include_raw = include_raw

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Return the object."""
        return self._parsed(self.model.invoke(input, config, **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Return the object."""
        return self._parsed(await self.model.ainvoke(input, config, **kwargs))

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Yield the object as far as it is known, each time that it grows."""
        growing = _Growing(self)
        for chunk in self.model.stream(input, config, **kwargs):
            yield from growing.with_chunk(chunk)
        yield from growing.end()

    async def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Yield the object as far as it is known, each time that it grows."""
        growing = _Growing(self)
        async with aleaving(self.model.astream(input, config, **kwargs)) as chunks:
            async for chunk in chunks:
                for value in growing.with_chunk(chunk):
                    yield value
        for value in growing.end():
            yield value

    def stream_events(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Return the typed stream of the model (v3), restored."""
        return self.model.stream_events(input, config, **kwargs)

    def astream_events(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Yield the events of the model's runs, restored."""
        return self.model.astream_events(input, config, **kwargs)

    def _parsed(self, message: BaseMessage, *, partial: bool = False) -> Any:
        # Without a run: callbacks would see the values.
        generations = [ChatGeneration(message=message)]
        if not self._include_raw:
            return self._parser.parse_result(cast("Any", generations), partial=partial)
        try:
            parsed, error = self._parser.parse_result(cast("Any", generations), partial=partial), None
        except Exception as caught:  # noqa: BLE001 - handed to the caller
            parsed, error = None, caught
        return {"raw": message, "parsed": parsed, "parsing_error": error}


class _Growing:
    """The object of a streamed answer."""

    def __init__(self, structure: GuardedStructure) -> None:
        self._structure = structure
        self._message: Any = None
        self._last: Any = None

    def with_chunk(self, chunk: AIMessageChunk) -> list[Any]:
        """Add a chunk and return the object if it has grown."""
        self._message = chunk if self._message is None else self._message + chunk
        if self._structure._include_raw:
            return []
        try:
            value = self._structure._parsed(self._message, partial=True)
        except Exception:  # noqa: BLE001 - it is not whole yet
            return []
        if value is None or value == self._last:
            return []
        self._last = value
        return [value]

    def end(self) -> list[Any]:
        """Return the whole object if it was not returned yet."""
        if self._message is None:
            return []
        value = self._structure._parsed(self._message)
        return [] if value == self._last else [value]


class GuardedChatModel(_Guarded, BaseChatModel):
    """A chat model behind a guard."""

    guard: Any = Field(exclude=True, repr=False)
    bound: BaseChatModel

    def _parts(self) -> tuple[Guard, Any]:
        return self.guard, self.bound

    @property
    def _llm_type(self) -> str:
        return self.bound._llm_type

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return self.bound._identifying_params

    def _resolve_model_profile(self) -> Any:
        return self.bound.profile

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return self.bound._get_ls_params(stop=stop, **kwargs)

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the guarded model with tools; arguments of tool calls have the true values."""
        return GuardedRunnable(self.guard, self.bound.bind_tools(tools, **kwargs))

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """Return the guarded model with answers in a schema, filled with the true values.

        Args:
            schema: The schema, as the model takes it.
            include_raw: Whether to return ``raw``, ``parsed`` and ``parsing_error`` instead of the object.
            **kwargs: Keywords of the model.
        """
        inner = self.bound.with_structured_output(schema, **kwargs)
        match inner:
            case RunnableSequence(steps=[model, BaseLLMOutputParser() as parser]):
                return GuardedStructure(GuardedRunnable(self.guard, model), parser, include_raw=include_raw)
        if include_raw:
            inner = self.bound.with_structured_output(schema, include_raw=True, **kwargs)
        return GuardedRunnable(self.guard, inner)

    # Callers of these have a run of their own only if they make one.

    def generate(self, messages: list[list[BaseMessage]], *args: Any, **kwargs: Any) -> LLMResult:
        """Answer several lists of messages."""
        call = _Call(self.guard, messages, {}, {})
        self.guard.run(call.prepare())
        result = self.bound.generate(call.input, *args, **kwargs)
        return cast("LLMResult", self.guard.run(call.finish(result)))

    async def agenerate(self, messages: list[list[BaseMessage]], *args: Any, **kwargs: Any) -> LLMResult:
        """Answer several lists of messages."""
        call = _Call(self.guard, messages, {}, {})
        await self.guard.arun(call.prepare())
        result = await self.bound.agenerate(call.input, *args, **kwargs)
        return cast("LLMResult", await self.guard.arun(call.finish(result)))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - of the base class
        **kwargs: Any,
    ) -> ChatResult:
        result = self.generate([messages], stop, **kwargs)
        return ChatResult(generations=cast("list[ChatGeneration]", result.generations[0]), llm_output=result.llm_output)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - of the base class
        **kwargs: Any,
    ) -> ChatResult:
        result = await self.agenerate([messages], stop, **kwargs)
        return ChatResult(generations=cast("list[ChatGeneration]", result.generations[0]), llm_output=result.llm_output)
