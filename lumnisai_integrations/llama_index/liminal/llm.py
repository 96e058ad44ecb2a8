"""The LLM whose calls go through the privacy gateway."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.generic_utils import (
    achat_to_completion_decorator,
    astream_chat_to_completion_decorator,
    chat_to_completion_decorator,
    stream_chat_to_completion_decorator,
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
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.llm import LLM
from pydantic import Field

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.liminal import ModelInstance, StreamResponseChunk
from lumnisai_core.tools import cut_at, left_out, tool_calls_text, tool_result_text
from lumnisai_integrations._shared.conversation import PlainKwargs
from lumnisai_integrations._shared.privacy.gateway import Gateway
from lumnisai_integrations._shared.privacy.prompts import (
    PROVIDER,
    THREAD_KEY,
    THREAD_NAME,
    Prompt,
    Spoken,
    StopMarks,
    facts_of,
    facts_of_stream,
    prompt_of,
)

_ROLES = {
    **dict.fromkeys(MessageRole, "assistant"),
    **dict.fromkeys((MessageRole.USER, MessageRole.TOOL, MessageRole.FUNCTION), "user"),
    **dict.fromkeys((MessageRole.SYSTEM, MessageRole.DEVELOPER), "system"),
}


class LiminalLLM(Gateway, LLM):
    """An LLM behind the Liminal privacy gateway: the model reads placeholders, the caller the true values.

    Each call submits one prompt to a model instance. ``raw`` of the answer has the thread, the chat, the model, and how
    many values of each type were replaced, never the values.

    ``model_instance``, ``thread_id`` and ``history`` are also keywords of calls. The gateway keeps the turns of a
    thread, so what an answer of the thread already stands for is not sent again.

    Callbacks, events and traces see what the caller sees: the true values. Put an LLM behind ``LiminalGuard`` to keep
    them out. The gateway has no tool calling and no parameters of models.

    Args:
        base_url: Address of the tenant. Default: environment variable ``LIMINAL_API_SERVER_URL``.
        token: Environment token, also as ``api_key``. Default: ``LIMINAL_TOKEN``, or another way to log in of
            ``Client``. It is not part of ``repr``, ``to_dict`` or a pickle.
        model_instance: Name or id of the model instance, also as ``model``. Default: the only one there is.
        thread_id: Conversation that all calls continue. Default: each call starts a new one.
        history: Who remembers the conversation. With ``client`` (default) a call sends all messages on a new thread.
            With ``server`` a call continues the thread of the last answer among its messages, and sends newer messages
            only.
        stop: Texts before which the answer is cut off, on the client's side.
        context_window: Tokens that LlamaIndex may put into one prompt. Default 8192.
        timeout: Seconds for connecting, sending, and an answer or the next piece of a stream.
        max_retries: Retries of requests that can be repeated; prompts are never submitted twice.
        client: Client for blocking calls, such as one with a session or an identity provider; it is not closed.
        async_client: Client for asyncio calls.

    Raises:
        ConfigurationError: There is no address or no way to log in, or a value is invalid.
    """

    context_window: int = Field(default=8192, gt=0)

    def __init__(self, **fields: Any) -> None:
        fields = self._renamed(fields)
        fields.pop("class_name", None)  # part of what pydantic dumps
        known = {name: value for name, value in fields.items() if name in type(self).model_fields}
        super().__init__(**known)
        self._check()
        self._warn_of_ignored({name: value for name, value in fields.items() if name not in known})

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serializes this class."""
        return "liminal_llm"

    @property
    def metadata(self) -> LLMMetadata:
        """Capabilities of this LLM for LlamaIndex."""
        return LLMMetadata(
            context_window=self.context_window,
            num_output=-1,
            is_chat_model=True,
            model_name=str(self.model_instance or PROVIDER),
        )

    # Blocking

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Submit a conversation and wait for the answer.

        Args:
            messages: The conversation, oldest first.
            **kwargs: ``model_instance``, ``thread_id``, ``history`` and ``stop`` of this call.

        Raises:
            ValidationError: A message or a keyword is not valid; nothing was sent.
            PolicyBlockedError: The policy refuses the prompt.
            LumnisAIError: The gateway cannot be reached or refuses.
        """
        prompt = self._prompt(messages, kwargs)
        instance = self._instance(prompt.model_instance)
        answer = self._blocking().prompt.submit(instance.id, prompt.text, thread_id=prompt.thread_id)
        return self._response(prompt, instance, cut_at(answer.answer, prompt.stops), facts_of(answer))

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: ARG002
        """Submit one message of the user; otherwise the same as :meth:`chat`."""
        return chat_to_completion_decorator(self.chat)(prompt, **kwargs)

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Submit a conversation and stream the answer. The gateway is called when the stream is first read."""
        return self._pieces(self._prompt(messages, kwargs))

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:  # noqa: ARG002
        """Stream the answer to one message of the user; otherwise the same as :meth:`stream_chat`."""
        return stream_chat_to_completion_decorator(self.stream_chat)(prompt, **kwargs)

    def _pieces(self, prompt: Prompt) -> ChatResponseGen:
        client, answer = self._blocking(), _Answer(prompt.stops)
        instance = self._instance(prompt.model_instance)
        found = client.prompt.analyze(instance.id, prompt.text)
        thread_id = prompt.thread_id or client.thread.create(instance.id, THREAD_NAME).id
        with client.prompt.stream(instance.id, prompt.text, thread_id=thread_id, findings=found) as pieces:
            for piece in pieces:
                yield from answer.piece(piece)
        yield self._last(prompt, instance, answer, facts_of_stream(instance, thread_id, found))

    # Asyncio

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Do the same as :meth:`chat` without blocking the event loop."""
        prompt = self._prompt(messages, kwargs)
        instance = await self._ainstance(prompt.model_instance)
        answer = await self._asyncio().prompt.submit(instance.id, prompt.text, thread_id=prompt.thread_id)
        return self._response(prompt, instance, cut_at(answer.answer, prompt.stops), facts_of(answer))

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: ARG002
        """Do the same as :meth:`complete` without blocking the event loop."""
        return await achat_to_completion_decorator(self.achat)(prompt, **kwargs)

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """Do the same as :meth:`stream_chat` without blocking the event loop."""
        return self._apieces(self._prompt(messages, kwargs))

    @llm_completion_callback()
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:  # noqa: ARG002
        """Do the same as :meth:`stream_complete` without blocking the event loop."""
        return await astream_chat_to_completion_decorator(self.astream_chat)(prompt, **kwargs)

    async def _apieces(self, prompt: Prompt) -> ChatResponseAsyncGen:
        client, answer = self._asyncio(), _Answer(prompt.stops)
        instance = await self._ainstance(prompt.model_instance)
        found = await client.prompt.analyze(instance.id, prompt.text)
        thread_id = prompt.thread_id or (await client.thread.create(instance.id, THREAD_NAME)).id
        async with client.prompt.stream(instance.id, prompt.text, thread_id=thread_id, findings=found) as pieces:
            async for piece in pieces:
                for response in answer.piece(piece):
                    yield response
        yield self._last(prompt, instance, answer, facts_of_stream(instance, thread_id, found))

    # Both

    def _prompt(self, messages: Sequence[ChatMessage], keywords: Mapping[str, Any]) -> Prompt:
        self._warn_of_ignored(keywords)
        return prompt_of(spoken_messages(messages), self.__dict__, keywords, self._instructions)

    def _response(
        self, prompt: Prompt, instance: ModelInstance, text: str, facts: Mapping[str, Any], delta: str | None = None
    ) -> ChatResponse:
        self._note(facts["thread_id"], prompt.instructions)
        about = PlainKwargs({THREAD_KEY: facts["thread_id"]})
        message = ChatMessage(role=MessageRole.ASSISTANT, content=text)
        message.additional_kwargs = about
        return ChatResponse(message=message, delta=delta, raw={"model_instance": instance.name, **facts})

    def _last(self, prompt: Prompt, instance: ModelInstance, answer: _Answer, facts: Mapping[str, Any]) -> ChatResponse:
        rest = answer.marks.rest()
        return self._response(prompt, instance, answer.text + rest, facts, rest)


class _Answer:
    """A streamed answer so far."""

    def __init__(self, stops: Sequence[str]) -> None:
        self.text = ""
        self.marks = StopMarks(stops)

    def piece(self, piece: StreamResponseChunk) -> Generator[ChatResponse, None, None]:
        """Yield the answer so far, if the piece adds to it."""
        if delta := "" if self.marks.is_reached else self.marks.piece(piece.content):
            self.text += delta
            yield ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=self.text), delta=delta)


def spoken_messages(messages: Sequence[ChatMessage]) -> list[Spoken]:
    """Return messages as roles and texts, with the threads of answers.

    Tool calls and their results become text. Instead of what else cannot be sent, such as a picture in an older
    message, there is a line of text.

    Raises:
        ValidationError: The newest message, or an instruction, has something that is not text.
    """
    return [_spoken(at, message, is_last=at == len(messages) - 1) for at, message in enumerate(messages)]


def _spoken(at: int, message: ChatMessage, *, is_last: bool) -> Spoken:
    role, known, calls = _ROLES[message.role], message.additional_kwargs, []
    texts: list[str] = []
    for block in message.blocks:
        match block:
            case TextBlock():
                texts.append(block.text)
            case ToolCallBlock():
                calls.append({"id": block.tool_call_id, "name": block.tool_name, "args": block.tool_kwargs})
            case ThinkingBlock():
                pass
            case _ if is_last or role == "system":
                raise ValidationError(f"messages[{at}] has a {type(block).__name__}: Liminal takes plain text only.")
            case _:
                texts.append(left_out(f"a {type(block).__name__}"))
    text = "\n".join(texts)
    if message.role in (MessageRole.TOOL, MessageRole.FUNCTION):
        text = tool_result_text(text, name=known.get("name"), call_id=known.get("tool_call_id"))
    thread_id = known.get(THREAD_KEY) if role == "assistant" else None
    return Spoken(role, tool_calls_text(text, calls) if calls else text, thread_id)
