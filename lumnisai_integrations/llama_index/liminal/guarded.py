"""A guarded LLM: it cleanses messages and prompts, calls the model, and restores its answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from functools import partial
from typing import Any, cast

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.chat_engine.types import AgentChatResponse
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import LLM, ToolSelection
from llama_index.core.output_parsers.pydantic import PydanticOutputParser
from llama_index.core.program.function_program import get_function_tool
from llama_index.core.prompts import BasePromptTemplate
from llama_index.core.tools import BaseTool, ToolOutput
from llama_index.core.tools.calling import acall_tool, call_tool
from llama_index.core.types import TokenAsyncGen, TokenGen
from pydantic import BaseModel, Field

from lumnisai_integrations._shared.privacy.guard import DESCRIPTIONS, Exchange, Flow, Guard
from lumnisai_integrations._shared.privacy.streams import aleaving, leaving
from lumnisai_integrations.llama_index.liminal.contents import ChatStream, special, unseen, unsummarised

#: Keywords of calling, which an LLM does not take.
_OF_CALLING = frozenset({"verbose", "allow_parallel_tool_calls", "error_on_no_tool_call", "error_on_tool_error"})

_SHARED = (
    "callback_manager",
    "system_prompt",
    "messages_to_prompt",
    "completion_to_prompt",
    "output_parser",
    "pydantic_program_mode",
    "query_wrapper_prompt",
)


class GuardedLLM(FunctionCallingLLM):
    """An LLM behind a guard. It opens no span of its own: events and callbacks are those of the LLM itself."""

    guard: Any = Field(exclude=True, repr=False)
    llm: LLM

    def __init__(self, guard: Guard, llm: LLM) -> None:
        shared = {name: getattr(llm, name) for name in _SHARED}
        super().__init__(guard=guard, llm=llm, **shared)

    @classmethod
    def class_name(cls) -> str:
        """Name of the class."""
        return "GuardedLLM"

    @property
    def metadata(self) -> LLMMetadata:
        """Facts about the LLM that is guarded."""
        return self.llm.metadata

    # Chat

    @unseen
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer messages."""
        exchange = Exchange()
        cleansed, kwargs = self.guard.run(self._prepare((list(messages), kwargs), exchange))
        with unsummarised():
            response = self.llm.chat(cleansed, **kwargs)
        return cast("ChatResponse", self.guard.run(self._finish(response, exchange)))

    @unseen
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer messages."""
        exchange = Exchange()
        cleansed, kwargs = await self.guard.arun(self._prepare((list(messages), kwargs), exchange))
        with unsummarised():
            response = await self.llm.achat(cleansed, **kwargs)
        return cast("ChatResponse", await self.guard.arun(self._finish(response, exchange)))

    @unseen
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Stream the answer to messages."""
        exchange = Exchange()
        cleansed, kwargs = self.guard.run(self._prepare((list(messages), kwargs), exchange))
        with unsummarised():
            responses = self.llm.stream_chat(cleansed, **kwargs)
        return self._streamed(responses, exchange)

    @unseen
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """Stream the answer to messages."""
        exchange = Exchange()
        cleansed, kwargs = await self.guard.arun(self._prepare((list(messages), kwargs), exchange))
        with unsummarised():
            responses = await self.llm.astream_chat(cleansed, **kwargs)
        return self._astreamed(responses, exchange)

    def _prepare(self, data: Any, exchange: Exchange) -> Flow[Any]:
        """Cleanse what goes to the LLM; of the keywords, objects that are not data stay."""
        payload, kwargs = data
        payload = yield from self.guard.cleansed(payload, exchange, special)
        described = {name: value for name, value in kwargs.items() if name in DESCRIPTIONS}
        others = {name: value for name, value in kwargs.items() if name not in described}
        others = yield from self.guard.cleansed(others, exchange, special, strict=False)
        return payload, {**described, **others}

    def _finish(self, response: Any, exchange: Exchange) -> Flow[Any]:
        """Restore an answer, and say in its metadata how many values of each type were replaced."""
        restored = yield from self.guard.restored(response, exchange, special)
        return restored.model_copy(
            update={"additional_kwargs": {**restored.additional_kwargs, "liminal": self.guard.report(exchange)}}
        )

    def _streamed(self, responses: Any, exchange: Exchange) -> Generator[ChatResponse, None, None]:
        stream = ChatStream(self.guard, exchange)
        with leaving(responses):
            iterator = iter(responses)
            while (response := _next(iterator)) is not None:
                yield from self.guard.run(stream.feed(response))
        yield from self.guard.run(stream.end())

    async def _astreamed(self, responses: Any, exchange: Exchange) -> AsyncGenerator[ChatResponse, None]:
        stream = ChatStream(self.guard, exchange)
        async with aleaving(responses):
            iterator = aiter(responses)
            while (response := await _anext(iterator)) is not None:
                for ready in await self.guard.arun(stream.feed(response)):
                    yield ready
        for ready in await self.guard.arun(stream.end()):
            yield ready

    # Completion

    @unseen
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Complete a prompt."""
        exchange = Exchange()
        cleansed, kwargs = self.guard.run(self._prepare((prompt, kwargs), exchange))
        with unsummarised():
            response = self.llm.complete(cleansed, formatted=formatted, **kwargs)
        return cast("CompletionResponse", self.guard.run(self._finish(response, exchange)))

    @unseen
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Complete a prompt."""
        exchange = Exchange()
        cleansed, kwargs = await self.guard.arun(self._prepare((prompt, kwargs), exchange))
        with unsummarised():
            response = await self.llm.acomplete(cleansed, formatted=formatted, **kwargs)
        return cast("CompletionResponse", await self.guard.arun(self._finish(response, exchange)))

    @unseen
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """Stream the completion of a prompt."""
        exchange = Exchange()
        cleansed, kwargs = self.guard.run(self._prepare((prompt, kwargs), exchange))
        with unsummarised():
            responses = self.llm.stream_complete(cleansed, formatted=formatted, **kwargs)

        def chats() -> Generator[ChatResponse, None, None]:
            with leaving(responses):
                yield from map(_as_chat, responses)

        return (_as_completion(response) for response in self._streamed(chats(), exchange))

    @unseen
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """Stream the completion of a prompt."""
        exchange = Exchange()
        cleansed, kwargs = await self.guard.arun(self._prepare((prompt, kwargs), exchange))
        with unsummarised():
            responses = await self.llm.astream_complete(cleansed, formatted=formatted, **kwargs)

        async def chats() -> AsyncGenerator[ChatResponse, None]:
            async with aleaving(responses):
                async for response in responses:
                    yield _as_chat(response)

        return (_as_completion(response) async for response in self._astreamed(chats(), exchange))

    # Tools

    @property
    def _caller(self) -> Any:
        """The LLM as one that calls tools."""
        return self.llm

    @unseen
    def chat_with_tools(  # type: ignore[override] # further arguments go on as keywords
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        **kwargs: Any,
    ) -> ChatResponse:
        """Answer, or call tools; their arguments have the true values."""
        exchange = Exchange()
        (user_msg, chat_history), kwargs = self.guard.run(self._prepare(((user_msg, chat_history), kwargs), exchange))
        with unsummarised():
            response = self._caller.chat_with_tools(tools, user_msg, chat_history, **kwargs)
        return cast("ChatResponse", self.guard.run(self._finish(response, exchange)))

    @unseen
    async def achat_with_tools(  # type: ignore[override] # further arguments go on as keywords
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        **kwargs: Any,
    ) -> ChatResponse:
        """Answer, or call tools; their arguments have the true values."""
        exchange = Exchange()
        data = ((user_msg, chat_history), kwargs)
        (user_msg, chat_history), kwargs = await self.guard.arun(self._prepare(data, exchange))
        with unsummarised():
            response = await self._caller.achat_with_tools(tools, user_msg, chat_history, **kwargs)
        return cast("ChatResponse", await self.guard.arun(self._finish(response, exchange)))

    @unseen
    def stream_chat_with_tools(  # type: ignore[override] # further arguments go on as keywords
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        **kwargs: Any,
    ) -> ChatResponseGen:
        """Stream an answer or calls of tools."""
        exchange = Exchange()
        (user_msg, chat_history), kwargs = self.guard.run(self._prepare(((user_msg, chat_history), kwargs), exchange))
        with unsummarised():
            responses = self._caller.stream_chat_with_tools(tools, user_msg, chat_history, **kwargs)
        return self._streamed(responses, exchange)

    @unseen
    async def astream_chat_with_tools(  # type: ignore[override] # further arguments go on as keywords
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        **kwargs: Any,
    ) -> ChatResponseAsyncGen:
        """Stream an answer or calls of tools."""
        exchange = Exchange()
        data = ((user_msg, chat_history), kwargs)
        (user_msg, chat_history), kwargs = await self.guard.arun(self._prepare(data, exchange))
        with unsummarised():
            responses = await self._caller.astream_chat_with_tools(tools, user_msg, chat_history, **kwargs)
        return self._astreamed(responses, exchange)

    def _prepare_chat_with_tools(  # type: ignore[override] # further arguments go on as keywords
        self, tools: Sequence[BaseTool], **kwargs: Any
    ) -> dict[str, Any]:
        return cast("dict[str, Any]", self._caller._prepare_chat_with_tools(tools, **kwargs))

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """Return the calls of tools in an answer."""
        calls = self._caller.get_tool_calls_from_response(
            response, error_on_no_tool_call=error_on_no_tool_call, **kwargs
        )
        return cast("list[ToolSelection]", calls)

    @unseen
    def predict_and_call(  # type: ignore[override] # further arguments go on as keywords
        self,
        tools: list[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        **kwargs: Any,
    ) -> AgentChatResponse:
        """Let the LLM choose a tool, and call it."""
        response = self.chat_with_tools(tools, user_msg=user_msg, chat_history=chat_history, **_of_model(kwargs))
        outputs = [call_tool(*chosen) for chosen in self._chosen(tools, response)]
        answer: AgentChatResponse = self.guard.run(self._answered(response, outputs))
        return answer

    @unseen
    async def apredict_and_call(  # type: ignore[override] # further arguments go on as keywords
        self,
        tools: list[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        **kwargs: Any,
    ) -> AgentChatResponse:
        """Let the LLM choose a tool, and call it."""
        response = await self.achat_with_tools(tools, user_msg=user_msg, chat_history=chat_history, **_of_model(kwargs))
        outputs = [await acall_tool(*chosen) for chosen in self._chosen(tools, response)]
        answer: AgentChatResponse = await self.guard.arun(self._answered(response, outputs))
        return answer

    def _chosen(self, tools: Sequence[BaseTool], response: ChatResponse) -> list[tuple[BaseTool, dict[str, Any]]]:
        """Return the tools that an answer calls, with their arguments."""
        calls = self.get_tool_calls_from_response(response, error_on_no_tool_call=False)
        by_name = {tool.metadata.get_name(): tool for tool in tools}
        return [(by_name[call.tool_name], call.tool_kwargs) for call in calls]

    def _answered(self, response: ChatResponse, outputs: list[ToolOutput]) -> Flow[AgentChatResponse]:
        """Return the outputs of tools as an answer, or what the LLM wrote if it called none, with the true values."""
        outputs = yield from self.guard.restored(outputs, Exchange(), special)
        text = "\n\n".join(output.content for output in outputs)
        return AgentChatResponse(response=text or response.message.content or "", sources=outputs)

    # Prompts: filled in here, so that no event has their true values

    @unseen
    def predict(self, prompt: BasePromptTemplate, **prompt_args: Any) -> str:
        """Answer a prompt."""
        if self.metadata.is_chat_model:
            return self._parse_output(self.chat(self._get_messages(prompt, **prompt_args)).message.content or "")
        return self._parse_output(self.complete(self._get_prompt(prompt, **prompt_args), formatted=True).text)

    @unseen
    async def apredict(self, prompt: BasePromptTemplate, **prompt_args: Any) -> str:
        """Answer a prompt."""
        if self.metadata.is_chat_model:
            response = await self.achat(self._get_messages(prompt, **prompt_args))
            return self._parse_output(response.message.content or "")
        completion = await self.acomplete(self._get_prompt(prompt, **prompt_args), formatted=True)
        return self._parse_output(completion.text)

    @unseen
    def stream(self, prompt: BasePromptTemplate, **prompt_args: Any) -> TokenGen:
        """Stream the answer to a prompt."""
        responses: Any = (
            self.stream_chat(self._get_messages(prompt, **prompt_args))
            if self.metadata.is_chat_model
            else self.stream_complete(self._get_prompt(prompt, **prompt_args), formatted=True)
        )
        return (response.delta or "" for response in responses)

    @unseen
    async def astream(self, prompt: BasePromptTemplate, **prompt_args: Any) -> TokenAsyncGen:
        """Stream the answer to a prompt."""
        responses: Any = (
            await self.astream_chat(self._get_messages(prompt, **prompt_args))
            if self.metadata.is_chat_model
            else await self.astream_complete(self._get_prompt(prompt, **prompt_args), formatted=True)
        )
        return (response.delta or "" async for response in responses)

    # Structured output: parsed after the values are back, because a schema may refuse placeholders

    @unseen
    def structured_predict(
        self,
        output_cls: type[BaseModel],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Any:
        """Answer a prompt with an object."""
        method, arguments, finish = self._structured(output_cls, self._get_messages(prompt, **prompt_args), llm_kwargs)
        return finish(getattr(self, method)(**arguments))

    @unseen
    async def astructured_predict(
        self,
        output_cls: type[BaseModel],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Any:
        """Answer a prompt with an object."""
        method, arguments, finish = self._structured(output_cls, self._get_messages(prompt, **prompt_args), llm_kwargs)
        return finish(await getattr(self, f"a{method}")(**arguments))

    def _structured(
        self, output_cls: type[BaseModel], messages: list[ChatMessage], llm_kwargs: dict[str, Any] | None
    ) -> tuple[str, dict[str, Any], Callable[[ChatResponse], BaseModel]]:
        """Return the method and arguments with which the LLM fills a schema, and what makes an object of its answer."""
        options = llm_kwargs or {}
        if not self.metadata.is_function_calling_model:
            parser = PydanticOutputParser(output_cls=output_cls)
            arguments = {"messages": parser.format_messages(messages), **options}
            return "chat", arguments, lambda response: parser.parse(response.message.content or "")
        tools = [get_function_tool(output_cls)]
        arguments = {"tools": tools, "chat_history": messages, "tool_required": True, **options}
        return "chat_with_tools", arguments, partial(self._called, output_cls)

    @unseen
    def stream_structured_predict(
        self,
        output_cls: type[BaseModel],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[Any, None, None]:
        """Answer a prompt with an object, which comes as a whole."""
        yield self.structured_predict(output_cls, prompt, llm_kwargs, **prompt_args)

    @unseen
    async def astream_structured_predict(
        self,
        output_cls: type[BaseModel],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Any, None]:
        """Answer a prompt with an object, which comes as a whole."""

        async def objects() -> AsyncGenerator[Any, None]:
            yield await self.astructured_predict(output_cls, prompt, llm_kwargs, **prompt_args)

        return objects()

    def _called(self, output_cls: type[BaseModel], response: ChatResponse) -> BaseModel:
        (call, *_) = self.get_tool_calls_from_response(response)
        return output_cls.model_validate(call.tool_kwargs)


def _next(responses: Any) -> Any:
    with unsummarised():
        return next(responses, None)


async def _anext(responses: Any) -> Any:
    with unsummarised():
        return await anext(responses, None)


def _of_model(keywords: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in keywords.items() if name not in _OF_CALLING}


def _as_chat(response: CompletionResponse) -> ChatResponse:
    message = ChatMessage(role="assistant", content=response.text)
    return ChatResponse(
        message=message, delta=response.delta, raw=response.raw, additional_kwargs=response.additional_kwargs
    )


def _as_completion(response: ChatResponse) -> CompletionResponse:
    text = response.message.content or ""
    return CompletionResponse(
        text=text, delta=response.delta, raw=response.raw, additional_kwargs=response.additional_kwargs
    )
