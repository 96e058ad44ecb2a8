"""Structured output: the chain of a model and the parser that returns checked objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from types import UnionType
from typing import Any

import pydantic
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.output_parsers import BaseCumulativeTransformOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough, RunnableSerializable
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass
from typing_extensions import is_typeddict

from lumnisai_core import ResponseObject, ResponseStatus
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.tools import answer_schema, builder_of, object_of, structured_value, unwrapped
from lumnisai_integrations.langchain.errors import StructuredOutputError, model_errors

_METHODS = ("json_schema", "function_calling", "json_mode")

#: What callers may pass as a schema: a class, a type such as ``list[int]``, or a dict.
Schema = type[Any] | UnionType | Mapping[str, Any]


class StructuredOutputParser(BaseCumulativeTransformOutputParser[Any]):
    """Reads the object of a structured run from its message, or from the last chunk of a stream."""

    build: Callable[[Any], Any]
    json_schema: dict[str, Any]
    shows_calls: bool = False  # whether the caller also sees the message, so that its tool calls are not lost

    def parse(self, text: str) -> Any:
        """Return the object in a text."""
        return self._built(run_of(AIMessage(content=text)))

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """Return the object of a message; None while a stream is not at its end."""
        generation = result[0]
        message = generation.message if isinstance(generation, ChatGeneration) else AIMessage(content=generation.text)
        if partial and isinstance(message, AIMessageChunk) and message.chunk_position != "last":
            return None
        run = run_of(message)
        if isinstance(message, AIMessage) and message.tool_calls:
            if self.shows_calls:
                return None
            names = ", ".join(call["name"] for call in message.tool_calls)
            raise StructuredOutputError.of_run(
                run,
                f"Run {run.response_id} requests the tools {names} before it answers. Use with_structured_output(..., "
                "include_raw=True) to see the tool calls, or create_agent(..., response_format=...) to run them.",
            )
        return self._built(run)

    def _built(self, run: ResponseObject) -> Any:
        with model_errors():
            value = structured_value(run)
        try:
            return self.build(unwrapped(value, self.json_schema))
        except (pydantic.ValidationError, ValueError, TypeError) as error:
            name = self.json_schema.get("title", "the schema")
            problem = f"Run {run.response_id} returned an object that does not fit {name}: {error}"
            raise StructuredOutputError.of_run(run, problem) from error


def run_of(message: BaseMessage) -> ResponseObject:
    """Return the run that a message came from, as far as the message says."""
    facts, text = message.response_metadata, str(message.text)
    return ResponseObject(
        response_id=facts.get("response_id") or message.id or "unknown",
        thread_id=facts.get("thread_id"),
        status=facts.get("status") or ResponseStatus.SUCCEEDED,
        output_text=facts.get("output_text", text),
        structured_response=object_of(ResponseObject(response_id="", output_text=text)),
        response_title=facts.get("response_title"),
    )


def _is_traced_as_it_is(schema: Schema) -> bool:
    """Return whether LangChain, whose traces show classes their own way, can convert a class."""
    if not isinstance(schema, type) or not (is_basemodel_subclass(schema) or is_typeddict(schema)):
        return False
    try:
        convert_to_json_schema(schema)
    except (RuntimeError, TypeError, ValueError):  # recursive TypedDicts, and such with NotRequired
        return False
    return True


def structured_chain(
    bind: Callable[..., Runnable[LanguageModelInput, AIMessage]],
    schema: Schema | None,
    *,
    method: str,
    include_raw: bool,
    strict: bool | None,
    parameters: Mapping[str, Any],
) -> RunnableSerializable[LanguageModelInput, Any]:
    """Return the chain of a model, by its ``bind``, and the parser of a schema.

    All methods are the platform's ``response_format``. ``strict`` is for traces only: the platform always follows the
    schema as well as it can. ``parameters`` are further keywords for each call, such as ``tools``.
    """
    if method not in _METHODS:
        raise ValidationError(f"method must be one of {', '.join(_METHODS)}, got {method!r}.")
    if schema is None and method != "json_mode":
        raise ValidationError(f"schema must be a class, a type or a JSON Schema with method={method!r}, got None.")
    schema = {"type": "json_object"} if schema is None else schema
    json_schema = answer_schema(schema)
    if json_schema is None:
        raise ValidationError("schema must describe an object, got {'type': 'text'}.")
    shown = schema if _is_traced_as_it_is(schema) else json_schema
    how = {"method": method} | ({} if strict is None else {"strict": strict})
    traced = {"kwargs": how, "schema": shown}
    bound = bind(response_format=json_schema, ls_structured_output_format=traced, **parameters)
    parser = StructuredOutputParser(build=builder_of(schema), json_schema=json_schema, shows_calls=include_raw)
    if not include_raw:
        return bound | parser
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    not_parsed = RunnablePassthrough.assign(parsed=lambda _: None)
    # The model comes first, because a map would not pass the keywords of a call to it.
    named = bound | RunnableMap(raw=RunnablePassthrough())
    return named | parsed.with_fallbacks([not_parsed], exception_key="parsing_error")
