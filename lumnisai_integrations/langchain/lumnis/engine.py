"""The chat model engine: an embedded service whose runs are answered by a chat model of LangChain.

>>> from lumnisai_core.local import LocalLumnis
>>> from lumnisai_integrations.langchain import ChatModelEngine
>>> with LocalLumnis(engine=ChatModelEngine(model)) as local: ...
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import threading
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any, TypeVar, cast

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata, add_ai_message_chunks, add_usage
from langchain_core.runnables import Runnable
from pydantic import BaseModel

from lumnisai_core.local import EngineError, Passage, RunReport, RunRequest, RunResult, ToolCall, fit_schema
from lumnisai_core.tools import Tool, ToolOffer, as_object, changed, left_out, newest, plain_schema, unwrapped
from lumnisai_integrations._shared.locks import changing
from lumnisai_integrations.langchain.lumnis.engine_errors import blotted, failure
from lumnisai_integrations.langchain.lumnis.engine_messages import (
    FilePlan,
    conversation,
    fitting,
    plan_files,
    sources,
)

ChatModel = Runnable[LanguageModelInput, BaseMessage]
T = TypeVar("T")

#: Overrides in order of precedence: the engine uses one model for a run.
_OVERRIDES = ("smart_model", "reasoning_model", "fast_model", "cheap_model", "vision_model")
#: Providers take the title of a schema as the name of a function.
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
#: Number of models made for overrides that are kept for further runs.
_KEPT = 16
#: Times that a model may try to give an object that fits, or a tool call that it has to make.
_TRIES = 3
#: Passages that a search returns at most.
_MOST_PASSAGES = 20


class ChatModelEngine:
    """Answers runs with a chat model.

    The model gets the conversation of the thread with one system message, and before the new question the files of the
    run. Its words reach whoever watches the run while it writes them. Tools of the caller, which the adapters send, are
    bound to the model; its calls go back to the caller, and their results to the model as tool messages. Tool calls of
    a model with tools of its own are reported as progress; nothing executes them. For any other ``response_format``
    the engine uses ``with_structured_output``: an object that does not fit is returned to the model with what is
    wrong, at most twice. Tokens and the model's name are in the run's ``usage`` and ``model``. Cancelling the run ends
    the call of the model.

    With ``options={"use_files": True}`` the model gets the passages of the user's files that match the question best,
    and the run has their files as artifacts. Errors of the provider have a code by their kind, such as
    ``MODEL_RATE_LIMITED``, and never its key.

    ``model_overrides`` choose another model for one run: the first of ``smart_model``, ``reasoning_model``,
    ``fast_model``, ``cheap_model`` and ``vision_model``, such as ``"openai:gpt-4.1"``, is made by the package
    ``langchain`` with its ``init_chat_model``. So everyone who may create runs may use any provider whose credentials
    this process has; ``allow_overrides=False`` prevents that.

    Args:
        model: The chat model, also one with tools or settings bound to it.
        structured_method: The ``method`` of ``with_structured_output``, such as ``"json_schema"``. Default: the
            model's own.
        allow_overrides: Whether runs may choose another model.
        file_tokens: Limit of what a run shows of its files, in tokens, which are estimated from characters.

    Raises:
        ValueError: ``file_tokens`` is not a whole number from 0.
    """

    #: A chat model has no specialized agents: runs that name one fail.
    specialized_agents = False

    def __init__(
        self,
        model: ChatModel,
        *,
        structured_method: str | None = None,
        allow_overrides: bool = True,
        file_tokens: int = 8_000,
    ) -> None:
        if isinstance(file_tokens, bool) or not isinstance(file_tokens, int) or file_tokens < 0:
            raise ValueError(f"file_tokens must be a whole number from 0, got {file_tokens!r}")
        self._model = model
        self._structured_method = structured_method
        self._allow_overrides = allow_overrides
        self._file_tokens = file_tokens
        self._made = lru_cache(_KEPT)(_make_model)

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        """Answer one run.

        Raises:
            EngineError: The model failed, has no structured output or tools, gave no object that fits, or cannot be
                made; or a file of the run has no text. Carries the model's message, without its key.
        """
        model, name = await self._choose(request)
        offer, guidance = ToolOffer.of_run(request.response_format, request.response_format_instructions)
        material, found = await _material(request, self._file_tokens)
        messages = conversation(request, material, guidance, with_tools=offer is not None)
        report.progress(f"Asking {name}.")
        dialogue = _Dialogue(model, messages)
        if offer is not None:
            result = await _with_tools(dialogue, offer, report)
        elif request.response_format is None:
            answer = await dialogue.ask(model, report)
            _report_calls(answer, report)
            result = RunResult(_text(answer))
        else:
            result = await self._structured(dialogue, request.response_format)
        report.progress("Run finished.", state="completed")
        counts: Mapping[str, Any] | None = dialogue.usage
        usage = None if counts is None else {name: counts[name] for name in _COUNTS}
        return RunResult(
            result.output_text, result.structured_response, sources(found), usage, dialogue.answered or _name(model)
        )

    async def _choose(self, request: RunRequest) -> tuple[ChatModel, str]:
        overrides = request.model_overrides or {}
        wanted = next((overrides[key] for key in _OVERRIDES if overrides.get(key)), None)
        if wanted is None:
            return self._model, _name(self._model) or type(_inner(self._model)).__name__
        if not self._allow_overrides:
            raise EngineError("MODEL_NOT_AVAILABLE", "This service does not allow runs to choose a model.")
        if not isinstance(wanted, str):
            raise EngineError("MODEL_NOT_AVAILABLE", f"The name of a model must be a string, got {wanted!r}.")
        return await asyncio.to_thread(self._made, wanted), wanted

    async def _structured(self, dialogue: _Dialogue, response_format: Mapping[str, Any]) -> RunResult:
        schema = _function_schema(response_format)
        if self._structured_method == "json_mode":  # models do not get the schema
            text = json.dumps(schema, ensure_ascii=False)
            dialogue.add(HumanMessage(f"Answer with a JSON object that fits this JSON Schema: {text}"))
        method = {} if self._structured_method is None else {"method": self._structured_method}
        try:
            structured: Runnable[LanguageModelInput, Any] = dialogue.model.with_structured_output(  # type: ignore[attr-defined]
                schema, include_raw=True, **method
            )
        except (NotImplementedError, AttributeError) as error:
            reason = "The run has a response_format, but the model has no structured output"
            raise EngineError("STRUCTURED_OUTPUT_UNSUPPORTED", f"{reason}: {error}") from error
        except Exception as error:
            raise failure(error, dialogue.model) from error
        problem = ""
        for _ in range(_TRIES):
            answer = await dialogue.invoke(structured)
            parsed, raw = answer["parsed"], cast("AIMessage", answer["raw"])
            dialogue.count(raw)
            if parsed is None:
                problem = f"it cannot be read: {answer['parsing_error'] or f'the answer was {_written(raw)!r}'}"
                shown = _written(raw)
            else:
                plain = parsed.model_dump(mode="json") if isinstance(parsed, BaseModel) else parsed
                value, misfit = fit_schema(unwrapped(plain, schema), response_format)
                if misfit is None:
                    return RunResult(_text(raw) or None, value)
                problem, shown = f"it does not fit the schema: {misfit}", json.dumps(plain, ensure_ascii=False)
            dialogue.correct(shown, problem)
        raise EngineError(
            "STRUCTURED_OUTPUT_INVALID",
            f"The model gave no usable object in {_TRIES} tries; of the last one, {problem}",
        )


@dataclass
class _Dialogue:
    """The messages to a model in one run, and what its answers have cost."""

    model: ChatModel
    messages: list[BaseMessage]
    usage: UsageMetadata | None = None
    answered: str | None = None

    def add(self, message: BaseMessage) -> None:
        """Add a message, to the last one if both are of the user."""
        last = self.messages[-1] if self.messages else None
        if isinstance(last, HumanMessage) and isinstance(message, HumanMessage):
            self.messages[-1] = HumanMessage(f"{last.text}\n\n{message.text}")
        else:
            self.messages.append(message)

    def correct(self, answer: str, problem: str) -> None:
        """Show the model its answer and what is wrong with it."""
        self.add(AIMessage(answer or "(no answer)"))
        self.add(HumanMessage(f"That answer cannot be used, because {problem}\nAnswer again, in the form asked for."))

    def count(self, answer: AIMessage) -> None:
        """Count the tokens of an answer, and note which model gave it."""
        if answer.usage_metadata is not None:
            self.usage = add_usage(self.usage, answer.usage_metadata)
        named = (answer.response_metadata.get(key) for key in ("model_name", "model"))
        self.answered = next((name for name in named if isinstance(name, str) and name), self.answered)

    async def invoke(self, runnable: Runnable[LanguageModelInput, Any]) -> Any:
        """Return the answer to all messages so far."""
        try:
            return await _LOOP.call(runnable.ainvoke(self.messages))
        except Exception as error:
            raise failure(error, self.model) from error

    async def ask(self, model: Runnable[LanguageModelInput, BaseMessage], report: RunReport | None) -> AIMessage:
        """Return the answer of a model, whose text the report gets while it is written."""
        answer = await _LOOP.call(self._answer(model, report))
        self.count(answer)
        return answer

    async def _answer(self, model: Runnable[LanguageModelInput, BaseMessage], report: RunReport | None) -> AIMessage:
        chunks: list[AIMessageChunk] = []
        text, place = "", None
        try:
            stream = cast("AsyncGenerator[BaseMessage, None]", model.astream(self.messages, **_counting(model)))
            async with aclosing(stream):
                async for chunk in stream:
                    if not isinstance(chunk, AIMessageChunk):  # of a model that does not stream
                        return cast("AIMessage", chunk)
                    chunks.append(chunk)
                    if report is not None and (piece := str(chunk.text)):
                        text += piece
                        if place is None:
                            place = report.progress("Writing the answer", output_text=text)
                        else:
                            report.replace(place, output_text=text)
        except Exception as error:
            raise failure(error, self.model) from error
        if not chunks:
            raise EngineError("MODEL_ERROR", "The model gave no answer.")
        return add_ai_message_chunks(*chunks)


class _ModelLoop:
    """The event loop in which the models of this process are called.

    Packages of providers share their connections among all models of a process, and a connection belongs to the loop
    that opened it. The loop of a service ends with the service, and a process may have several of them.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    async def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return the result of a coroutine, which is cancelled with the caller."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._running()))

    def _running(self) -> asyncio.AbstractEventLoop:
        with changing():
            if self._loop is None or self._thread is None or not self._thread.is_alive():  # as in a forked child
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="lumnis-models", daemon=True)
                self._thread.start()
            return self._loop


_LOOP = _ModelLoop()


_COUNTS = ("input_tokens", "output_tokens", "total_tokens")


async def _material(request: RunRequest, limit: int) -> tuple[list[Passage], list[Passage]]:
    """Return what the model sees of files, and those parts of it that were searched for."""
    if not request.files:
        return [], []
    plan = plan_files(request, limit)
    found = await _found(request, plan)
    return [*plan.whole, *found], found


async def _found(request: RunRequest, plan: FilePlan) -> list[Passage]:
    if not plan.large and not plan.searched:
        return []
    passages: list[Passage] = []
    if request.search is not None:
        spoken = [message.content for message in request.input_messages if message.role == "user"]
        among = None if plan.searched else [file.file_id for file in plan.large]
        passages = await request.search("\n".join(spoken), _MOST_PASSAGES, file_ids=among)
    return fitting(plan, passages)


async def _with_tools(dialogue: _Dialogue, offer: ToolOffer, report: RunReport) -> RunResult:
    """Return the calls of the caller's tools, or the answer, in the form that the run's schema describes."""
    answer_tool = None if offer.answer_schema is None else _answer_tool(offer)
    must_call = offer.is_forced or answer_tool is not None
    model = _bound(dialogue.model, [*offer.tools, *([answer_tool] if answer_tool else [])], offer, must_call=must_call)
    problem = ""
    for _ in range(_TRIES):
        answer = await dialogue.ask(model, None if must_call else report)
        requested = [*answer.tool_calls, *answer.invalid_tool_calls]
        made: list[dict[str, Any]] = [{"name": call["name"], "args": call["args"]} for call in requested]
        text = _text(answer)
        calls = [call for call in made if answer_tool is None or call["name"] != answer_tool.name]
        calls = calls if offer.parallel else calls[:1]
        if calls and offer.is_forced:
            return RunResult(text or None, {"tool_calls": calls})
        if calls:
            return RunResult(text or None, {"tool_calls": calls, "content": None if answer_tool else text or None})
        if not must_call:
            return RunResult(text)
        if answer_tool is None or not made:
            problem = "it must be a tool call."
            dialogue.correct(text, problem)
            continue
        value, reason = fit_schema(made[0]["args"], offer.answer_schema or {})
        if reason is None:
            return RunResult(text or None, {"tool_calls": None, "content": value})
        problem = f"it does not fit the schema: {reason}"
        dialogue.correct(json.dumps(made[0]["args"], ensure_ascii=False), problem)
    raise EngineError("STRUCTURED_OUTPUT_INVALID", f"The model gave no usable answer in {_TRIES} tries: {problem}")


def _answer_tool(offer: ToolOffer) -> Tool:
    """Return the tool with which a model gives the object that ends its turn."""
    schema = offer.answer_schema or {}
    name = _NOT_IN_NAMES.sub("_", str(schema.get("title") or "Answer"))[:60]
    while any(tool.name == name for tool in offer.tools):
        name += "_"
    about = "Give the final answer to the user. Use it once no other tool is needed."
    return Tool(name, " ".join(filter(None, (about, schema.get("description")))), schema)


def _bound(
    model: ChatModel, tools: Sequence[Tool], offer: ToolOffer, *, must_call: bool
) -> Runnable[LanguageModelInput, BaseMessage]:
    """Return the model with tools."""
    functions = [tool.as_function() for tool in tools]
    for function in functions:
        about = function["function"]
        about["parameters"] = changed({"type": "object", "properties": {}, **about["parameters"]}, _with_one_type)
    try:
        bind = model.bind_tools  # type: ignore[attr-defined] # of chat models
        options: dict[str, Any] = {"tool_choice": "any"} if must_call else {}
        if not offer.parallel and "parallel_tool_calls" in inspect.signature(bind).parameters:
            options["parallel_tool_calls"] = False
        bound: Runnable[LanguageModelInput, BaseMessage] = bind(functions, **options)
    except (NotImplementedError, AttributeError) as error:
        reason = "The run offers tools, but the model takes none"
        raise EngineError("TOOLS_UNSUPPORTED", f"{reason}: {str(error) or type(_inner(model)).__name__}") from error
    except Exception as error:
        raise failure(error, model) from error
    return bound


def _counting(model: object) -> dict[str, Any]:
    """Return what makes a model count its tokens in a stream, for servers with OpenAI's protocol at other addresses."""
    inner = _inner(model)
    is_open = isinstance(inner, BaseModel) and "stream_usage" in type(inner).model_fields
    return {"stream_usage": True} if is_open and getattr(inner, "stream_usage", True) is None else {}


def _text(answer: BaseMessage) -> str:
    """Return the words of an answer, with a line instead of each picture or sound."""
    text = str(answer.text)
    if isinstance(answer.content, str):
        return text
    kinds = [str(block.get("type")) for block in answer.content_blocks if block.get("type") in _MEDIA]
    return "\n".join(filter(None, (text, *(left_out(f"a block of type {kind!r}") for kind in kinds))))


_MEDIA = frozenset({"image", "audio", "video", "file"})


def _written(answer: AIMessage) -> str:
    """Return an answer as text, also one that is a call."""
    calls = [*answer.tool_calls, *answer.invalid_tool_calls]
    args = calls[0]["args"] if calls else None
    return str(answer.text) or (args if isinstance(args, str) else json.dumps(args) if args is not None else "")


def _function_schema(response_format: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema as providers take it: of an object, with a title that can be the name of a function."""
    schema: dict[str, Any] = changed(as_object(newest(plain_schema(response_format))), _with_one_type)
    schema["title"] = _NOT_IN_NAMES.sub("_", str(schema["title"]))[:64]
    return schema


def _with_one_type(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that lists types as alternatives, because packages of providers fail on the list."""
    kinds = schema.get("type")
    if not isinstance(kinds, list):
        return schema
    about: dict[str, Any] = {name: schema.pop(name) for name in ("title", "description", "default") if name in schema}
    return {**about, "anyOf": [{"type": "null"} if kind == "null" else {**schema, "type": kind} for kind in kinds]}


def _report_calls(answer: AIMessage, report: RunReport) -> None:
    calls: list[ToolCall] = [
        {key: call[key] for key in ("id", "name", "args") if call.get(key) is not None} for call in answer.tool_calls
    ]
    if calls:
        report.progress("The model requests tools.", tool_calls=calls)


def _inner(model: object) -> object:
    """Return the model inside bindings."""
    while (bound := getattr(model, "bound", None)) is not None:
        model = bound
    return model


def _name(model: ChatModel) -> str | None:
    """Return the name of a model, also inside bindings."""
    found = (getattr(_inner(model), attribute, None) for attribute in ("model_name", "model"))
    return next((name for name in found if isinstance(name, str) and name), None)


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
        raise EngineError("MODEL_NOT_AVAILABLE", blotted(f"{name}: {type(error).__name__}: {error}", None)) from error
    return model
