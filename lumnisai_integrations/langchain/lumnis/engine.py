"""The chat model engine: an embedded service whose runs are answered by a chat model of LangChain.

>>> from lumnisai_core.local import LocalLumnis
>>> from lumnisai_integrations.langchain import ChatModelEngine
>>> with LocalLumnis(engine=ChatModelEngine(model)) as local: ...
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable
from pydantic import BaseModel

from lumnisai_core.local import EngineError, Message, RunReport, RunRequest, RunResult, ToolCall
from lumnisai_core.tools import as_object, changed, newest, plain_schema, unwrapped

ChatModel = Runnable[LanguageModelInput, BaseMessage]

#: Overrides in order of precedence: the engine uses one model for a run.
_OVERRIDES = ("smart_model", "reasoning_model", "fast_model", "cheap_model", "vision_model")
#: Providers take the title of a schema as the name of a function.
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
#: Number of models made for overrides that are kept for further runs.
_KEPT = 16
_KINDS: Mapping[str, type[BaseMessage]] = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}


class ChatModelEngine:
    """Answers runs with a chat model.

    The model receives the conversation of the thread, with the texts of the run's files before the run's own messages.
    For a ``response_format`` the engine uses the model's ``with_structured_output``, and the service validates the
    object. Tool calls in the answer, of a model with tools bound to it, are reported as progress; nothing executes
    them. Cancelling the run cancels the call of the model.

    ``model_overrides`` choose another model for one run: the first of ``smart_model``, ``reasoning_model``,
    ``fast_model``, ``cheap_model`` and ``vision_model``, such as ``"openai:gpt-4.1"``, is made by the package
    ``langchain`` with its ``init_chat_model``. So everyone who may create runs may use any provider whose credentials
    this process has; ``allow_overrides=False`` prevents that.

    Args:
        model: The chat model, also one with tools or settings bound to it.
        structured_method: The ``method`` of ``with_structured_output``, such as ``"json_schema"``. Default: the
            model's own.
        allow_overrides: Whether runs may choose another model.
    """

    #: A chat model has no specialized agents: runs that name one fail.
    specialized_agents = False

    def __init__(self, model: ChatModel, *, structured_method: str | None = None, allow_overrides: bool = True) -> None:
        self._model = model
        self._structured_method = structured_method
        self._allow_overrides = allow_overrides
        self._made = lru_cache(_KEPT)(_make_model)

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        """Answer one run.

        Raises:
            EngineError: The model failed, has no structured output, or cannot be made. Carries the model's message.
        """
        model, name = await self._choose(request)
        report.progress(f"Asking {name}.")
        messages = list(_conversation(request))
        if request.response_format is None:
            answer = await _invoke(model, messages)
            result = RunResult(str(answer.text))
            _report_calls(answer, report)
        else:
            result = await self._structured(model, messages, request.response_format)
        report.progress("Run finished.", state="completed")
        return result

    async def _choose(self, request: RunRequest) -> tuple[ChatModel, str]:
        overrides = request.model_overrides or {}
        wanted = next((overrides[key] for key in _OVERRIDES if overrides.get(key)), None)
        if wanted is None:
            return self._model, _name(self._model)
        if not self._allow_overrides:
            raise EngineError("MODEL_NOT_AVAILABLE", "This service does not allow runs to choose a model.")
        if not isinstance(wanted, str):
            raise EngineError("MODEL_NOT_AVAILABLE", f"The name of a model must be a string, got {wanted!r}.")
        return await asyncio.to_thread(self._made, wanted), wanted

    async def _structured(
        self, model: ChatModel, messages: list[BaseMessage], response_format: Mapping[str, Any]
    ) -> RunResult:
        schema = changed(as_object(newest(plain_schema(response_format))), _with_one_type)
        schema["title"] = _NOT_IN_NAMES.sub("_", str(schema["title"]))[:64]
        if self._structured_method == "json_mode":  # models are not told the schema
            text = json.dumps(schema, ensure_ascii=False)
            messages = [*messages, HumanMessage(f"Answer with a JSON object that fits this JSON Schema: {text}")]
        method = {} if self._structured_method is None else {"method": self._structured_method}
        try:
            structured: Runnable[LanguageModelInput, Any] = model.with_structured_output(  # type: ignore[attr-defined]
                schema, include_raw=True, **method
            )
        except (NotImplementedError, AttributeError) as error:
            reason = "The run has a response_format, but the model has no structured output"
            raise EngineError("STRUCTURED_OUTPUT_UNSUPPORTED", f"{reason}: {error}") from error
        except Exception as error:
            raise _failure(error) from error
        answer = await _invoke(structured, messages)
        parsed, text = answer["parsed"], str(answer["raw"].text)
        if parsed is None:
            reason = answer["parsing_error"] or f"it answered {text!r}"
            raise EngineError("STRUCTURED_OUTPUT_INVALID", f"The model returned no object that can be read: {reason}")
        plain = parsed.model_dump(mode="json") if isinstance(parsed, BaseModel) else parsed
        return RunResult(text or None, unwrapped(plain, schema))


def _with_one_type(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that lists types as alternatives, because packages of providers fail on the list."""
    kinds = schema.get("type")
    if not isinstance(kinds, list):
        return schema
    about: dict[str, Any] = {name: schema.pop(name) for name in ("title", "description", "default") if name in schema}
    return {**about, "anyOf": [{"type": "null"} if kind == "null" else {**schema, "type": kind} for kind in kinds]}


def _conversation(request: RunRequest) -> Iterator[BaseMessage]:
    """Yield the thread's messages, the files of the run, its own messages, and guidance for its response_format."""
    earlier = len(request.messages) - len(request.input_messages)
    yield from map(_to_langchain, request.messages[:earlier])
    for file in request.files:
        if text := file.get("text"):
            yield HumanMessage(f"File {file.get('name')}:\n\n{text}")
    yield from map(_to_langchain, request.input_messages)
    if request.response_format is not None and request.response_format_instructions:
        yield HumanMessage(request.response_format_instructions)


def _to_langchain(message: Message) -> BaseMessage:
    return _KINDS[message.role](content=message.content)


async def _invoke(model: Runnable[LanguageModelInput, Any], messages: list[BaseMessage]) -> Any:
    try:
        return await model.ainvoke(messages)
    except Exception as error:
        raise _failure(error) from error


def _failure(error: Exception) -> EngineError:
    return EngineError("MODEL_ERROR", f"{type(error).__name__}: {error}")


def _report_calls(answer: BaseMessage, report: RunReport) -> None:
    calls: list[ToolCall] = [
        {key: call[key] for key in ("id", "name", "args") if call.get(key) is not None}
        for call in getattr(answer, "tool_calls", ())
    ]
    if calls:
        report.progress("The model requests tools.", tool_calls=calls)


def _name(model: ChatModel) -> str:
    """Return the name of a model, also inside bindings; without one, the name of its class."""
    inner: Any = model
    while (bound := getattr(inner, "bound", None)) is not None:
        inner = bound
    for attribute in ("model_name", "model"):
        name = getattr(inner, attribute, None)
        if isinstance(name, str) and name:
            return name
    return type(inner).__name__


def _make_model(name: str) -> ChatModel:
    """Return the model of a name."""
    try:
        make = import_module("langchain.chat_models").init_chat_model
    except ImportError as error:
        message = f"model_overrides need the package langchain, to make {name}: pip install langchain"
        raise EngineError("MODEL_NOT_AVAILABLE", message) from error
    try:
        model: ChatModel = make(name)
    except Exception as error:
        raise EngineError("MODEL_NOT_AVAILABLE", f"{name}: {type(error).__name__}: {error}") from error
    return model
