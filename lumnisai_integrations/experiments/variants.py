"""Variants of an experiment: prompts for the agent platform, functions, and objects of LangChain and LlamaIndex.

Objects are recognised by the methods that they have; no framework is imported.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from string import Formatter
from typing import Any, Literal, TypeAlias, Unpack

from lumnisai_core import InvokeParameters, Message
from lumnisai_core.exceptions import (
    LumnisAIError,
    RunError,
    RunFailedError,
    ValidationError,
)
from lumnisai_integrations.experiments.answers import Answer, of_run, read_answer
from lumnisai_integrations.experiments.calls import CLIENT_ERRORS, Calls
from lumnisai_integrations.experiments.datasets import Row
from lumnisai_integrations.experiments.plain import as_text, plain

#: How to call an object that answers.
Kind: TypeAlias = Literal["prompt", "query", "chat", "llm", "model", "graph", "runnable", "workflow", "function"]

#: The method of each kind: the blocking one and the asynchronous one.
_METHODS: dict[str, tuple[str, str]] = {
    "query": ("query", "aquery"),
    "chat": ("chat", "achat"),
    "llm": ("complete", "acomplete"),
    **dict.fromkeys(["model", "graph", "runnable"], ("invoke", "ainvoke")),
}

#: Kinds that take the whole row as a mapping, where nothing else is chosen. The others take a text.
_OF_ROWS = ("runnable", "function")


class Variant:
    """One of the things that an experiment compares.

    A text or a list of messages is a prompt: each row fills its fields in and becomes a run of the agent platform.
    Anything else is called with the row: a function, which may be asynchronous, with a dict of its fields; a chain of
    LangChain likewise; chat models, agents and graphs of LangChain and query engines, chat engines, LLMs and agents of
    LlamaIndex with one text.

    Args:
        answer: The prompt, with fields as ``{name}`` and literal braces doubled; a list of messages whose contents are
            such prompts; a function; or an object of a framework.
        input: What of a row is passed to a function or an object: the name of a field, a text with fields as
            ``{name}``, or a function of the row. Default: all fields where a dict is taken, else the only field.
        output: A function of the answer, such as one that returns the part to compare.
        **parameters: Parameters of the runs of a prompt; see :class:`lumnisai_core.InvokeParameters`.

    Raises:
        ValidationError: The answer is neither a prompt nor anything that can be called, or an argument does not fit.
    """

    def __init__(
        self,
        answer: Any,
        *,
        input: str | Callable[[Mapping[str, Any]], Any] | None = None,  # noqa: A002 - the name of the row's part
        output: Callable[[Any], Any] | None = None,
        **parameters: Unpack[InvokeParameters],
    ) -> None:
        self.kind = kind_of(answer)
        self.parameters: Mapping[str, Any] = dict(parameters)
        self._answer, self._input, self._output = answer, input, output
        if self.kind != "prompt" and parameters:
            raise ValidationError(f"only prompts have parameters of runs, got {', '.join(parameters)}.")
        if self.kind == "prompt" and input is not None:
            raise ValidationError("input is for functions and objects: a prompt names its fields itself.")
        if parameters.get("idempotency_key") is not None:
            raise ValidationError("idempotency_key comes from the experiment and the row: leave it out.")
        unknown = sorted(parameters.keys() - InvokeParameters.__annotations__.keys())
        if unknown:
            known = ", ".join(InvokeParameters.__annotations__)
            raise ValidationError(f"unknown parameters of runs {', '.join(unknown)}; known: {known}.")
        if output is not None and not callable(output):
            raise ValidationError(f"output must be a function, got {output!r}.")
        #: A chat engine keeps one conversation, so that it answers one row after the other.
        self._turns: asyncio.Lock | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.kind}: {self._answer!r:.60})"

    @property
    def makes_runs(self) -> bool:
        """Whether the rows become runs of the agent platform."""
        return self.kind == "prompt"

    def question(self, row: Row) -> Any:
        """Return what a row is asked with: the filled prompt, or what is passed to the function or object.

        Raises:
            ValidationError: The row has no such field.
        """
        if self.kind == "prompt":
            if isinstance(self._answer, str):
                return filled(self._answer, row.input)
            return [_message(one, row.input) for one in self._answer]
        if callable(self._input):
            return self._input(row.input)
        if self._input is None:
            return dict(row.input) if self.kind in _OF_ROWS else as_text(_only_field(row, self.kind))
        if "{" in self._input:
            return filled(self._input, row.input)
        if self._input not in row.input:
            raise ValidationError(f"row {row.key!r} has no field {self._input!r}: it has {', '.join(row.input)}.")
        value = row.input[self._input]
        return value if self.kind in _OF_ROWS else as_text(value)

    def request(self, row: Row) -> Any:
        """Return what makes an answer to a row another one, as plain data: question, parameters, name of a function."""
        if self.kind == "prompt":
            return ["prompt", plain(self.question(row)), plain(self.parameters)]
        name = getattr(self._answer, "__qualname__", None) or type(self._answer).__qualname__
        return [self.kind, name, plain(self.question(row))]

    async def answer(self, key: str, row: Row, calls: Calls) -> Answer:
        """Answer a row. What goes wrong with it is in the answer.

        Args:
            key: What identifies the answer in its experiment.
            row: The row.
            calls: What makes the calls.

        Raises:
            AuthenticationError: The key of the client is refused.
            ConfigurationError: There is no client, or it has no key.
            MissingUserId: There is no user.
            TenantScopeUserIdConflict: There is a user in tenant scope.
        """
        began = time.monotonic()
        try:
            if self.kind == "prompt":
                value: Any = await calls.run(key, self.question(row), self.parameters)
                answer = of_run(value)
            else:
                value = await self._called(self.question(row), calls)
                answer = replace(read_answer(value), seconds=time.monotonic() - began)
            if self._output is None:
                return answer
            part = read_answer(await calls.call(self._output, value))
            changed = {name: getattr(part, name) for name in ("output", "structured", "error", "is_final")}
            return replace(answer, **changed)
        except Exception as error:
            if self.kind == "prompt" and isinstance(error, CLIENT_ERRORS):
                raise
            return _failed(error, time.monotonic() - began)

    async def _called(self, question: Any, calls: Calls) -> Any:
        match self.kind:
            case "function":
                return await calls.call(self._answer, question)
            case "workflow":  # it needs a running event loop
                return await self._answer.run(user_msg=question)
            case "graph":
                question = question if isinstance(question, Mapping) else {"messages": [("user", question)]}
            case "chat":
                self._turns = self._turns or asyncio.Lock()
                async with self._turns:
                    return await calls.call(self._method(calls), question, chat_history=[])
        return await calls.call(self._method(calls), question)

    def _method(self, calls: Calls) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._answer, _METHODS[self.kind][0 if calls.blocking else 1])
        return method


def as_variant(name: str, value: object) -> Variant:
    """Return a variant of anything that an experiment takes for one.

    Args:
        name: Its name.
        value: A variant, a prompt, a function, an object, or a dict with ``prompt`` and parameters of runs.

    Raises:
        ValidationError: It is something else.
    """
    try:
        if isinstance(value, Variant):
            return value
        if isinstance(value, Mapping):
            known = dict(value)
            if "prompt" not in known:
                raise ValidationError(f"a dict must have the key 'prompt', got {', '.join(map(str, known))}.")
            return Variant(known.pop("prompt"), **known)
        return Variant(value)
    except ValidationError as error:
        raise ValidationError(f"variant {name!r}: {error}") from error


def grid(prompts: Mapping[str, Any] | Sequence[str], **choices: Mapping[str, Any]) -> dict[str, Variant]:
    """Return a variant for each combination of prompts and parameters of runs.

    >>> grid({"short": "{question}"}, model_overrides={"small": {...}, "large": {...}})

    Args:
        prompts: The prompts by name, or a list of prompts, which are their own names.
        **choices: For each parameter of runs its values by name; None for the default.

    Returns:
        The variants. Each has the names of its parts, joined by `` / ``, as its name.

    Raises:
        ValidationError: There are no prompts, a parameter is unknown or has no values.
    """
    by_name = dict(prompts) if isinstance(prompts, Mapping) else {one: one for one in prompts}
    for name, values in {"prompts": by_name, **choices}.items():
        if not isinstance(values, Mapping) or not values:
            raise ValidationError(f"{name} must be a dict from name to value with at least one entry, got {values!r}.")
    found = {}
    for parts in product(by_name.items(), *(values.items() for values in choices.values())):
        parameters: Any = {name: value for name, (_, value) in zip(choices, parts[1:], strict=True)}
        found[" / ".join(str(name) for name, _ in parts)] = Variant(
            parts[0][1], **{name: value for name, value in parameters.items() if value is not None}
        )
    return found


def kind_of(answer: object) -> Kind:
    """Return how something answers.

    Raises:
        ValidationError: It is neither a prompt nor anything that can be called.
    """
    if isinstance(answer, str) or _is_conversation(answer):
        if not answer:
            raise ValidationError("a prompt must be a non-empty text.")
        return "prompt"
    methods = {name for name in ("query", "chat", "complete", "invoke", "run") if callable(getattr(answer, name, None))}
    if not isinstance(answer, type):
        if "complete" in methods and hasattr(answer, "acomplete"):
            return "llm"
        if "query" in methods and hasattr(answer, "aquery"):
            return "query"
        if "chat" in methods and hasattr(answer, "achat"):
            return "chat"
        if "invoke" in methods and hasattr(answer, "ainvoke"):
            return (
                "graph"
                if hasattr(answer, "get_state")
                else "model"
                if hasattr(answer, "generate_prompt")
                else "runnable"
            )
        if "run" in methods and any(
            base.__module__.split(".")[0] in ("workflows", "llama_index") for base in type(answer).__mro__
        ):
            return "workflow"
    if callable(answer):
        return "function"
    raise ValidationError(
        "must be a prompt, a function, or an object of LangChain or LlamaIndex that answers, "
        f"got {type(answer).__name__}."
    )


def filled(template: str, fields: Mapping[str, Any]) -> str:
    """Return a text with its fields filled in. Texts go in as they are, other values as JSON.

    Raises:
        ValidationError: A field is missing, or braces do not enclose a name.
    """
    parts = []
    for literal, name, form, conversion in _parsed(template):
        parts.append(literal)
        if name is None:
            continue
        if form or conversion or not name or any(mark in name for mark in '.["\n'):
            raise ValidationError(
                f"braces must enclose the name of a field, got {{{name}}}: write literal braces twice."
            )
        if name not in fields:
            raise ValidationError(f"a row has no field {name!r}: it has {', '.join(fields)}.")
        parts.append(as_text(fields[name]))
    return "".join(parts)


def _parsed(template: str) -> Iterable[tuple[str, str | None, str | None, str | None]]:
    try:
        return list(Formatter().parse(template))
    except ValueError as error:
        raise ValidationError(f"the braces of a prompt do not match ({error}): write literal braces twice.") from error


def _is_conversation(answer: object) -> bool:
    return isinstance(answer, list | tuple) and all(isinstance(one, Mapping | Message) for one in answer)


def _message(message: Mapping[str, Any] | Message, fields: Mapping[str, Any]) -> dict[str, Any]:
    known = message.model_dump(mode="json") if isinstance(message, Message) else dict(message)
    if not isinstance(known.get("content"), str):
        raise ValidationError(f"a message must have a text as its content, got {known.get('content')!r}.")
    return {**known, "content": filled(known["content"], fields)}


def _only_field(row: Row, kind: str) -> Any:
    if len(row.input) != 1:
        raise ValidationError(
            f"row {row.key!r} has the fields {', '.join(row.input)}, and a {kind} takes one text: "
            'choose with Variant(..., input="question").'
        )
    return next(iter(row.input.values()))


def _failed(error: Exception, seconds: float) -> Answer:
    """Return the answer of a row that failed. Only a run that the platform reports as failed is not tried again."""
    is_ours = isinstance(error, LumnisAIError)
    return Answer(
        seconds=seconds,
        response_id=error.response_id if isinstance(error, RunError) else None,
        error=str(error) if is_ours and str(error) else f"{type(error).__name__}: {error}",
        is_final=isinstance(error, RunFailedError),
    )
