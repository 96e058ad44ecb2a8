"""The chat model on the text route of Lumi.new."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field

from lumnisai_core.lumi import GeneratedText
from lumnisai_integrations._shared.lumi.texts import DEFAULT_MODEL, IGNORED, Stopper, TextModel, cut, metadata_of
from lumnisai_integrations.langchain.errors import model_errors
from lumnisai_integrations.langchain.lumi.messages import convert_in


class _Prepared(NamedTuple):
    """One call of the model."""

    messages: list[dict[str, Any]]
    model: str
    stops: Sequence[str]

    def result(self, answer: GeneratedText) -> ChatResult:
        message = AIMessage(cut(answer.content, self.stops), response_metadata=metadata_of(answer, self.model))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def chunk(self, text: str) -> ChatGenerationChunk:
        return ChatGenerationChunk(message=AIMessageChunk(content=text))

    def last(self, text: str, chat_id: str) -> ChatGenerationChunk:
        metadata = metadata_of(GeneratedText(chat_id=chat_id), self.model)
        return ChatGenerationChunk(
            message=AIMessageChunk(content=text, response_metadata=metadata, chunk_position="last")
        )


class ChatLumi(TextModel, BaseChatModel):
    """A chat model on Lumi.new: texts and pictures in, text out, as a whole or streamed.

    The service keeps no conversation, so each call sends all messages. It has no tools, no structured output, no
    temperature and no token count; keywords of other models for these are ignored with one warning. Tool calls and
    results of other models in a conversation are sent as text.

    Nothing is sent and no connection is opened before the first call. A model may be shared by threads and event loops,
    and copied. A pickle holds neither keys nor token.

    Attributes:
        model_name: Name of the model, also as ``model``. Default: ``gemini-2.5-flash``.
        project_id: Id of the application. Default: ``LUMI_PROJECT_ID``.
        api_base_url: Address of the API. Default: ``LUMI_API_BASE_URL``.
        lumi_api_key: Key for texts and images, also as ``api_key``. Default: ``LUMI_API_KEY``.
        sign_key: Key of the signature. Default: ``LUMI_SIGN_KEY``.
        authorization: Token of the user the calls are for. Default: nobody.
        top_access_key: Key with all rights; never taken from the environment.
        timeout: Seconds for connecting, sending, and for an answer or the next piece of it. Default 60.
        max_retries: Retries of requests that can be repeated; texts are never generated twice. Default 3.
        stop: Texts before which the answer is cut off, on the client's side.
        streaming: Whether ``invoke`` reads the answer as a stream, too. Default False.
        client, async_client: Your own clients, instead of the fields above. They are never closed.

    Raises:
        ConfigurationError: There is no application, or a value is not valid.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(protected_namespaces=(), extra="forbid")

    model_name: str = Field(default=DEFAULT_MODEL, alias="model", min_length=1)
    stop: list[str] | None = None
    streaming: bool = False

    if not TYPE_CHECKING:  # type checkers read the fields instead

        def __init__(self, **fields: Any) -> None:
            super().__init__(**{name: fields[name] for name in fields.keys() - IGNORED if fields[name] is not None})
            self._warn_of_ignored({name: fields[name] for name in fields.keys() & IGNORED})
            with model_errors():
                self.check_connection()

    # Calls

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - part of the framework's signature
        **kwargs: Any,
    ) -> ChatResult:
        with model_errors():
            call = self._prepare(messages, stop, kwargs)
            return call.result(self._client().tools.ai.generate_text(call.messages, call.model))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - part of the framework's signature
        **kwargs: Any,
    ) -> ChatResult:
        with model_errors():
            call = self._prepare(messages, stop, kwargs)
            return call.result(await self._aclient().tools.ai.generate_text(call.messages, call.model))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with model_errors():
            call = self._prepare(messages, stop, kwargs)
            ai, stopper, chat_id = self._client().tools.ai, Stopper(call.stops), ""
            with ai.parse_stream(ai.generate_text_stream(call.messages, call.model)) as events:
                for event in events:
                    chat_id = event.data.chat_id or chat_id
                    if text := stopper.feed(event.data.content):
                        if run_manager is not None:
                            run_manager.on_llm_new_token(text, chunk=call.chunk(text))
                        yield call.chunk(text)
                    if stopper.is_over:
                        break
            yield call.last(stopper.finish(), chat_id)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        with model_errors():
            call = self._prepare(messages, stop, kwargs)
            ai, stopper, chat_id = self._aclient().tools.ai, Stopper(call.stops), ""
            async with ai.parse_stream(ai.generate_text_stream(call.messages, call.model)) as events:
                async for event in events:
                    chat_id = event.data.chat_id or chat_id
                    if text := stopper.feed(event.data.content):
                        if run_manager is not None:
                            await run_manager.on_llm_new_token(text, chunk=call.chunk(text))
                        yield call.chunk(text)
                    if stopper.is_over:
                        break
            yield call.last(stopper.finish(), chat_id)

    def _prepare(self, messages: list[BaseMessage], stop: list[str] | None, keywords: Mapping[str, Any]) -> _Prepared:
        model = keywords.get("model") or keywords.get("model_name") or self.model_name
        self._check_keywords(keywords, ("model", "model_name"))
        return _Prepared(convert_in(messages), model, stop or self.stop or ())

    # Descriptions for the framework

    @property
    def _llm_type(self) -> str:
        return "lumi-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {
            "model_name": self.model_name,
            "project_id": self.project_id,
            "api_base_url": self.api_base_url,
            "stop": self.stop,
        }

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        name = kwargs.get("model") or kwargs.get("model_name") or self.model_name
        params = LangSmithParams(ls_provider="lumi", ls_model_type="chat", ls_model_name=name)
        if stops := stop or self.stop:
            params["ls_stop"] = list(stops)
        return params

    def get_num_tokens(self, text: str) -> int:
        """Estimate the number of tokens of a text, without a tokenizer.

        Args:
            text: The text.
        """
        return -(-len(text) // 4)

    def get_num_tokens_from_messages(self, messages: Sequence[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Estimate the number of tokens of messages, without a tokenizer.

        Args:
            messages: The messages.
            tools: Tools whose schemas count, too.
        """
        return count_tokens_approximately(messages, tools=list(tools) if tools else None)
