"""Structured output: JSON Schemas of classes and dicts, and the parser that returns checked objects."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

import pydantic
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.output_parsers import BaseCumulativeTransformOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough, RunnableSerializable
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel, TypeAdapter
from typing_extensions import is_typeddict

from lumnisai_core import ResponseObject, ResponseStatus
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared import structured
from lumnisai_integrations._shared.schemas import plain_schema
from lumnisai_integrations.langchain.lumnis.errors import StructuredOutputError, model_errors

_METHODS = ("json_schema", "function_calling", "json_mode")

#: What callers may pass as a schema.
Schema = type[Any] | Mapping[str, Any]


def json_schema_of(schema: Schema) -> dict[str, Any]:
    """Return the titled JSON Schema of a pydantic class (v2 or v1), dataclass, TypedDict, schema or tool dict."""
    described = _described(schema)
    kind = described.get("type", "object")
    if kind != "object" and not (isinstance(kind, list) and "object" in kind):
        raise ValidationError(
            f"The schema {described.get('title')!r} describes a value of type {kind!r}, but runs return objects: "
            "make the value a property of an object."
        )
    return described


def _described(schema: Schema) -> dict[str, Any]:
    if isinstance(schema, Mapping):
        return plain_schema(schema)
    if isinstance(schema, type):
        if issubclass(schema, BaseModel):
            return schema.model_json_schema()
        if dataclasses.is_dataclass(schema):
            return TypeAdapter(schema).json_schema()
        if is_typeddict(schema) or is_basemodel_subclass(schema):
            return convert_to_json_schema(schema)  # knows pydantic v1 and LangChain's way of describing fields
    raise ValidationError(
        f"schema must be a pydantic class, a dataclass, a TypedDict or a JSON Schema, got {schema!r}."
    )


def builder_of(schema: Schema) -> Callable[[dict[str, Any]], Any]:
    """Return the function that makes an instance from an object, or a dict for TypedDict and dict schemas."""
    if isinstance(schema, type):
        if issubclass(schema, BaseModel) or dataclasses.is_dataclass(schema):
            return TypeAdapter(schema).validate_python
        if is_basemodel_subclass(schema):  # pydantic v1
            parse: Callable[[dict[str, Any]], Any] = schema.parse_obj
            return parse
    return dict


class StructuredOutputParser(BaseCumulativeTransformOutputParser[Any]):
    """Reads the object of a structured run from its message, or from the last chunk of a stream."""

    build: Callable[[dict[str, Any]], Any]
    name_of_schema: str
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
            value = structured.structured_value(run)
        try:
            return self.build(value)
        except (pydantic.ValidationError, ValueError) as error:
            problem = f"Run {run.response_id} returned an object that does not fit {self.name_of_schema}: {error}"
            raise StructuredOutputError.of_run(run, problem) from error


def run_of(message: BaseMessage) -> ResponseObject:
    """Return the run that a message came from, as far as the message says."""
    facts, text = message.response_metadata, str(message.text)
    return ResponseObject(
        response_id=facts.get("response_id") or message.id or "unknown",
        thread_id=facts.get("thread_id"),
        status=facts.get("status") or ResponseStatus.SUCCEEDED,
        output_text=facts.get("output_text", text),
        structured_response=structured.object_of(ResponseObject(response_id="", output_text=text)),
        response_title=facts.get("response_title"),
    )


def structured_chain(
    bind: Callable[..., Runnable[LanguageModelInput, AIMessage]],
    schema: Schema,
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
    json_schema = json_schema_of(schema)
    # Traces show classes their own way, where they can.
    shown = json_schema if isinstance(schema, Mapping) or dataclasses.is_dataclass(schema) else schema
    how = {"method": method} | ({} if strict is None else {"strict": strict})
    traced = {"kwargs": how, "schema": shown}
    bound = bind(response_format=json_schema, ls_structured_output_format=traced, **parameters)
    name = str(json_schema.get("title", "the schema"))
    parser = StructuredOutputParser(build=builder_of(schema), name_of_schema=name, shows_calls=include_raw)
    if not include_raw:
        return bound | parser
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    not_parsed = RunnablePassthrough.assign(parsed=lambda _: None)
    # The model comes first, because a map would not pass the keywords of a call to it.
    named = bound | RunnableMap(raw=RunnablePassthrough())
    return named | parsed.with_fallbacks([not_parsed], exception_key="parsing_error")
