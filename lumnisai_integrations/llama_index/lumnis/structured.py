"""Structured prediction by the platform itself, with the schema as ``response_format``."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing
from typing import Any, TypeAlias, cast

import pydantic
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.instrumentation.events.llm import LLMStructuredPredictEndEvent, LLMStructuredPredictStartEvent
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.program.utils import FlexibleModel
from llama_index.core.prompts import BasePromptTemplate, PromptTemplate
from llama_index.core.types import Model, PydanticProgramMode
from llama_index_instrumentation import get_dispatcher

from lumnisai_core import ResponseObject
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.tools import StructuredOutputError, schema_of, structured_value, unwrapped

_dispatcher = get_dispatcher("lumnisai_integrations.llama_index")

Kwargs: TypeAlias = dict[str, Any]
Predicted: TypeAlias = Model | list[Model] | FlexibleModel | list[FlexibleModel]


class NativeStructuredLLM(FunctionCallingLLM):
    """An LLM whose ``chat`` takes ``response_format`` and returns the whole run in ``raw``.

    With another ``pydantic_program_mode`` than the default, it uses LlamaIndex' own programs.
    """

    def structured_predict(
        self, output_cls: type[Model], prompt: BasePromptTemplate, llm_kwargs: Kwargs | None = None, **prompt_args: Any
    ) -> Model:
        """Run an agent that answers a prompt with an object; ``llm_kwargs`` are keywords of ``chat``.

        Raises:
            StructuredOutputError: The run succeeded without such an object.
        """
        if not self._is_native():
            return cast("Model", super().structured_predict(output_cls, prompt, llm_kwargs, **prompt_args))
        _announce_start(output_cls, prompt, prompt_args)
        messages, keywords = self._request(output_cls, prompt, llm_kwargs, prompt_args)
        predicted = read_object(output_cls, self.chat(messages, **keywords))
        _dispatcher.event(LLMStructuredPredictEndEvent(output=predicted))
        return predicted

    async def astructured_predict(
        self, output_cls: type[Model], prompt: BasePromptTemplate, llm_kwargs: Kwargs | None = None, **prompt_args: Any
    ) -> Model:
        """Do the same as :meth:`structured_predict` without blocking the event loop."""
        if not self._is_native():
            return cast("Model", await super().astructured_predict(output_cls, prompt, llm_kwargs, **prompt_args))
        _announce_start(output_cls, prompt, prompt_args)
        messages, keywords = self._request(output_cls, prompt, llm_kwargs, prompt_args)
        predicted = read_object(output_cls, await self.achat(messages, **keywords))
        _dispatcher.event(LLMStructuredPredictEndEvent(output=predicted))
        return predicted

    def _structured_stream_call(
        self, output_cls: type[Model], prompt: PromptTemplate, llm_kwargs: Kwargs | None = None, **prompt_args: Any
    ) -> Generator[Predicted[Model], None, None]:
        if not self._is_native():
            return super()._structured_stream_call(output_cls, prompt, llm_kwargs, **prompt_args)
        return self._objects(output_cls, *self._request(output_cls, prompt, llm_kwargs, prompt_args))

    async def _structured_astream_call(
        self, output_cls: type[Model], prompt: PromptTemplate, llm_kwargs: Kwargs | None = None, **prompt_args: Any
    ) -> AsyncGenerator[Predicted[Model], None]:
        if not self._is_native():
            return await super()._structured_astream_call(output_cls, prompt, llm_kwargs, **prompt_args)
        return self._aobjects(output_cls, *self._request(output_cls, prompt, llm_kwargs, prompt_args))

    # The platform returns the object as a whole, at the end. A stream still reports progress and can be left early.

    def _objects(
        self, output_cls: type[Model], messages: list[ChatMessage], keywords: dict[str, Any]
    ) -> Generator[Model, None, None]:
        last = None
        with closing(self.stream_chat(messages, **keywords)) as chunks:
            for last in chunks:  # noqa: B007 - only the last one counts
                pass
        yield read_object(output_cls, last)

    async def _aobjects(
        self, output_cls: type[Model], messages: list[ChatMessage], keywords: dict[str, Any]
    ) -> AsyncGenerator[Model, None]:
        last = None
        async with aclosing(await self.astream_chat(messages, **keywords)) as chunks:
            async for last in chunks:  # noqa: B007 - only the last one counts
                pass
        yield read_object(output_cls, last)

    def _is_native(self) -> bool:
        return self.pydantic_program_mode == PydanticProgramMode.DEFAULT

    def _request(
        self, output_cls: type[Model], prompt: BasePromptTemplate, llm_kwargs: Kwargs | None, prompt_args: Kwargs
    ) -> tuple[list[ChatMessage], Kwargs]:
        if (llm_kwargs or {}).get("tools"):
            raise ValidationError(
                "Structured prediction does not take tools, because its run answers with the object. For both call "
                "chat(messages, tools=..., response_format=...)."
            )
        messages = self._extend_messages(prompt.format_messages(llm=self, **prompt_args))
        # The schema instead of the class: keywords are part of events, which back ends write as JSON.
        return messages, {**(llm_kwargs or {}), "response_format": schema_of(output_cls)}


def read_object(output_cls: type[Model], answer: ChatResponse | None) -> Model:
    """Return the object in the answer of a call with ``response_format``."""
    return object_of_run(output_cls, ResponseObject.model_validate(answer.raw if answer is not None else None))


def object_of_run(output_cls: type[Model], response: ResponseObject) -> Model:
    """Return the object of a run with ``response_format``."""
    try:
        value = unwrapped(structured_value(response), schema_of(output_cls))
        return output_cls.model_validate_json(json.dumps(value))
    except pydantic.ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or output_cls.__name__}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False)
        )
        message = f"The object of run {response.response_id} does not fit {output_cls.__name__}: {problems}."
        raise StructuredOutputError.of_run(response, message) from error


def _announce_start(output_cls: type[Model], prompt: BasePromptTemplate, prompt_args: dict[str, Any]) -> None:
    _dispatcher.event(LLMStructuredPredictStartEvent(output_cls=output_cls, template=prompt, template_args=prompt_args))
