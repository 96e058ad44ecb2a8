"""The LLM on the text route of Lumi.new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from llama_index.core.base.llms.generic_utils import (
    achat_to_completion_decorator,
    astream_chat_response_to_completion_response,
    chat_to_completion_decorator,
    prompt_to_messages,
    stream_chat_response_to_completion_response,
)
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
)
from llama_index.core.llms.llm import LLM
from pydantic import ConfigDict, Field

from lumnisai_core.lumi import GeneratedText
from lumnisai_integrations._shared.lumi.texts import DEFAULT_MODEL, IGNORED, Stopper, TextModel, cut, metadata_of
from lumnisai_integrations._shared.runs import STOP_KEYWORDS
from lumnisai_integrations.llama_index.lumi.messages import convert_in
from lumnisai_integrations.llama_index.reporting import (
    aclosing_all,
    areported,
    closing_all,
    reported,
    reports_chat,
    reports_completion,
)


class _Prepared(NamedTuple):
    """One call of the LLM."""

    messages: list[dict[str, Any]]
    model: str
    stops: Sequence[str]

    def response(self, answer: GeneratedText) -> ChatResponse:
        known = metadata_of(answer, self.model)
        message = ChatMessage(role=MessageRole.ASSISTANT, content=cut(answer.content, self.stops))
        return ChatResponse(message=message, raw=answer.model_dump(mode="json"), additional_kwargs=known)

    def chunk(self, text: str, delta: str, chat_id: str) -> ChatResponse:
        known = metadata_of(GeneratedText(chat_id=chat_id), self.model)
        message = ChatMessage(role=MessageRole.ASSISTANT, content=text)
        return ChatResponse(message=message, delta=delta, raw={"chat_id": chat_id}, additional_kwargs=known)


class LumiLLM(TextModel, LLM):
    """An LLM on Lumi.new: texts and pictures in, text out, as a whole or streamed.

    The service keeps no conversation, so each call sends all messages. It has no tools, temperature or token count;
    keywords of other LLMs for these are ignored with one warning. Structured output works as for any LLM without tools:
    LlamaIndex asks for JSON in the prompt.

    Args:
        model: Name of the model. Default: ``gemini-2.5-flash``.
        project_id: Id of the application. Default: ``LUMI_PROJECT_ID``.
        api_base_url: Address of the API. Default: ``LUMI_API_BASE_URL``.
        api_key: Key for texts and images. Default: ``LUMI_API_KEY``.
        sign_key: Key of the signature. Default: ``LUMI_SIGN_KEY``.
        authorization: Token of the user the calls are for. Default: nobody.
        top_access_key: Key with all rights; never taken from the environment.
        timeout: Seconds for connecting, sending, and for an answer or the next piece of it. Default 60.
        max_retries: Retries of requests that can be repeated; texts are never generated twice. Default 3.
        context_window: Tokens that LlamaIndex may put into one prompt. Default 200000.
        stop: Texts before which the answer is cut off, on the client's side.
        client, async_client: Your own clients, instead of the connection. They are never closed.

    Raises:
        ConfigurationError: There is no application, or a value is not valid.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    model: str = Field(default=DEFAULT_MODEL, min_length=1)
    context_window: int = Field(default=200_000, gt=0)
    stop: list[str] | None = None

    def __init__(self, **fields: Any) -> None:
        fields.pop("class_name", None)  # part of what pydantic dumps
        super().__init__(**{name: fields[name] for name in fields.keys() - IGNORED})
        self._warn_of_ignored({name: fields[name] for name in fields.keys() & IGNORED})
        self.check_connection()

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serializes this class."""
        return "lumi_llm"

    @property
    def metadata(self) -> LLMMetadata:
        """Capabilities of this LLM for LlamaIndex."""
        return LLMMetadata(
            context_window=self.context_window,
            num_output=-1,
            is_chat_model=True,
            is_function_calling_model=False,
            model_name=self.model,
        )

    # Blocking

    @reports_chat
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer a conversation.

        Args:
            messages: The conversation, oldest first.
            **kwargs: ``model`` and ``stop`` of this call.

        Raises:
            ValidationError: A message cannot be sent; nothing was sent.
            LumnisAIError: The service cannot be reached or refuses.
        """
        return self._chat(messages, **kwargs)

    @reports_completion
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: ARG002
        """Answer one message of the user; otherwise the same as :meth:`chat`."""
        return chat_to_completion_decorator(self._chat)(prompt, **kwargs)

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Answer a conversation piece by piece. Closing the generator closes the connection."""
        chunks = self._chunks(messages, kwargs)
        return closing_all(reported(reports_chat, self, messages, chunks, kwargs), chunks)

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:  # noqa: ARG002
        """Answer one message of the user piece by piece; otherwise the same as :meth:`stream_chat`."""
        chunks = self._chunks(prompt_to_messages(prompt), kwargs)
        texts = stream_chat_response_to_completion_response(chunks)
        return closing_all(reported(reports_completion, self, prompt, texts, kwargs), texts, chunks)

    def _chat(self, messages: Sequence[ChatMessage], **keywords: Any) -> ChatResponse:
        call = self._prepare(messages, keywords)
        return call.response(self._client().tools.ai.generate_text(call.messages, call.model))

    def _chunks(self, messages: Sequence[ChatMessage], keywords: Mapping[str, Any]) -> ChatResponseGen:
        call = self._prepare(messages, keywords)
        ai, stopper, text, chat_id = self._client().tools.ai, Stopper(call.stops), "", ""
        with ai.parse_stream(ai.generate_text_stream(call.messages, call.model)) as events:
            for event in events:
                chat_id = event.data.chat_id or chat_id
                if delta := stopper.feed(event.data.content):
                    text += delta
                    yield call.chunk(text, delta, chat_id)
                if stopper.is_over:
                    break
        if (rest := stopper.finish()) or not text:
            yield call.chunk(text + rest, rest, chat_id)

    # Asyncio

    @reports_chat
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Do the same as :meth:`chat` without blocking the event loop."""
        return await self._achat(messages, **kwargs)

    @reports_completion
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: ARG002
        """Do the same as :meth:`complete` without blocking the event loop."""
        return await achat_to_completion_decorator(self._achat)(prompt, **kwargs)

    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """Do the same as :meth:`stream_chat` without blocking the event loop."""
        chunks = self._achunks(messages, kwargs)
        return aclosing_all(await areported(reports_chat, self, messages, chunks, kwargs), chunks)

    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:  # noqa: ARG002
        """Do the same as :meth:`stream_complete` without blocking the event loop."""
        chunks = self._achunks(prompt_to_messages(prompt), kwargs)
        texts = astream_chat_response_to_completion_response(chunks)
        return aclosing_all(await areported(reports_completion, self, prompt, texts, kwargs), texts, chunks)

    async def _achat(self, messages: Sequence[ChatMessage], **keywords: Any) -> ChatResponse:
        call = self._prepare(messages, keywords)
        return call.response(await self._aclient().tools.ai.generate_text(call.messages, call.model))

    async def _achunks(self, messages: Sequence[ChatMessage], keywords: Mapping[str, Any]) -> ChatResponseAsyncGen:
        call = self._prepare(messages, keywords)
        ai, stopper, text, chat_id = self._aclient().tools.ai, Stopper(call.stops), "", ""
        async with ai.parse_stream(ai.generate_text_stream(call.messages, call.model)) as events:
            async for event in events:
                chat_id = event.data.chat_id or chat_id
                if delta := stopper.feed(event.data.content):
                    text += delta
                    yield call.chunk(text, delta, chat_id)
                if stopper.is_over:
                    break
        if (rest := stopper.finish()) or not text:
            yield call.chunk(text + rest, rest, chat_id)

    def _prepare(self, messages: Sequence[ChatMessage], keywords: Mapping[str, Any]) -> _Prepared:
        self._check_keywords(keywords, ("model", *STOP_KEYWORDS))
        stops = next((keywords[name] for name in STOP_KEYWORDS if keywords.get(name)), self.stop or ())
        return _Prepared(convert_in(messages), keywords.get("model") or self.model, stops)
