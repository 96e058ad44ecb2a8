"""Tool calling through ``response_format``: the schema of tool calls or an answer, and reading what a run returned.

The platform runs its own tools and has no field for those of a caller. So the ``response_format`` of a run that may
use the caller's tools describes one object, ``{"tool_calls": [{"name": ..., "args": {...}}], "content": ...}``. The
part that is not used is null. Its root has no ``anyOf``, which providers of models refuse there. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from lumnisai_core.exceptions import RunState, ValidationError
from lumnisai_core.tools.schemas import SharedDefinitions, as_object, check_schema, closed, newest
from lumnisai_core.tools.structured import StructuredOutputError, object_of
from lumnisai_core.tools.texts import json_or_text

#: Whether tools may be used (auto), must be used (any), or must not be used (none).
Choice = Literal["auto", "any", "none"]

_CHOICES: Mapping[str, Choice] = {"auto": "auto", "any": "any", "required": "any", "none": "none"}

_MAY = (
    "The caller can run tools for you. To use them, return tool_calls; they are not run by anyone else. "
    "To reply to the user, return content. Leave the other one null. "
)
_MUST = "The caller runs tools for you. Return tool_calls with the tools to run now and their arguments. "
_RESULTS = 'A turn that begins with {"tool_result": ...} is what a tool returned: do not repeat that call.'
_ONE = " Return one call at a time."
#: The names of definitions, which are plain, in a schema as JSON text.
_REFERENCE = re.compile(r'"#/\$defs/([A-Za-z0-9_.-]+)')


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the caller runs; ``parameters`` is the JSON Schema of its arguments, of any draft.

    Raises:
        ValidationError: The schema is not valid, or is not of an object.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        name = f"The schema of tool {self.name!r}"
        try:
            parameters = newest(self.parameters)
        except RecursionError:
            raise ValidationError(f"{name} refers to itself without end.") from None
        check_schema(parameters, name)
        if not isinstance(parameters, Mapping) or parameters.get("type", "object") != "object":
            raise ValidationError(f"{name} must be of type 'object', got {parameters!r}.")
        object.__setattr__(self, "parameters", parameters)

    def as_function(self) -> dict[str, Any]:
        """Return the tool as plain data, in the form that OpenAI made common."""
        about = {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}
        return {"type": "function", "function": about}


@dataclass(frozen=True, slots=True)
class RequestedToolCall:
    """A tool call that the agent wants the caller to make.

    A call that cannot be run has its ``problem``, and as ``args`` whatever the agent wrote.
    """

    name: str
    args: Any
    id: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The result of a run that was offered tools: tool calls, or an answer; an object is JSON text.

    ``calls`` may be of tools that do not exist: the caller reports those to the agent. ``invalid`` ones cannot be
    tried: the name is missing, or the arguments are not an object.
    """

    calls: tuple[RequestedToolCall, ...] = ()
    invalid: tuple[RequestedToolCall, ...] = ()
    content: str = ""


@dataclass(frozen=True, slots=True)
class ToolOffer:
    """The tools that one run is offered, and how it may use them.

    ``named`` is the one tool that must be used, ``parallel`` allows several calls at once, and without an
    ``answer_schema`` the answer is text.
    """

    tools: tuple[Tool, ...]
    choice: Choice = "auto"
    named: str | None = None
    parallel: bool = True
    answer_schema: Mapping[str, Any] | None = None

    @classmethod
    def of_call(
        cls, tools: Iterable[Tool], keywords: Mapping[str, Any], answer_schema: Mapping[str, Any] | None
    ) -> Self:
        """Return the offer of one call with the keywords ``tool_choice`` and ``parallel_tool_calls``."""
        choice, named = choice_of(keywords.get("tool_choice"))
        parallel = keywords.get("parallel_tool_calls") is not False
        return cls(tuple(tools), choice, named, parallel, answer_schema)

    @classmethod
    def of_run(
        cls, response_format: Mapping[str, Any] | None, instructions: str | None
    ) -> tuple[Self | None, str | None]:
        """Return the offer in the parameters of a run that :meth:`applied_to` has made, and the caller's guidance.

        The offer is None for any other ``response_format``; then the guidance is all of the instructions.
        """
        schema = response_format or {}
        parts, title = schema.get("properties") or {}, schema.get("title")
        if (title, parts.keys()) not in (("ToolCalls", {"tool_calls"}), ("Turn", {"tool_calls", "content"})):
            return None, instructions
        items = parts["tool_calls"].get("items") or {}
        try:
            tools = tuple(_tool_of(call, schema) for call in items.get("anyOf") or [items])
        except (KeyError, TypeError, AttributeError, ValidationError):
            return None, instructions
        answer = next(iter(parts.get("content", {}).get("anyOf", ())), None)
        offer = cls(
            tools,
            "any" if title == "ToolCalls" else "auto",
            tools[0].name if title == "ToolCalls" and len(tools) == 1 else None,
            parts["tool_calls"].get("maxItems") != 1,
            None if answer is None else _with_definitions(answer, schema),
        )
        rest = (instructions or "").removesuffix(offer._guidance()).strip()
        return offer, rest or None

    def _guidance(self) -> str:
        return (_MUST if self.is_forced else _MAY) + _RESULTS + ("" if self.parallel else _ONE)

    def __post_init__(self) -> None:
        names = [tool.name for tool in self.tools]
        if not all(names):
            raise ValidationError("A tool has no name: every tool needs one.")
        if self.named is not None and self.named not in names:
            raise ValidationError(f"tool_choice names {self.named!r}, but the tools are {', '.join(names) or 'none'}.")
        if self.choice == "any" and not names:
            raise ValidationError("tool_choice requires a tool call, but there are no tools.")

    @property
    def is_open(self) -> bool:
        """Whether the run may return tool calls; otherwise the schema does not mention them."""
        return bool(self.tools) and (self.choice != "none" or self.named is not None)

    @property
    def may_write(self) -> bool:
        """Whether the answer can be text, which is shown while it is written."""
        return not self.is_forced and self.answer_schema is None

    @property
    def is_forced(self) -> bool:
        """Whether the run must return tool calls."""
        return self.is_open and (self.choice == "any" or self.named is not None)

    def response_format(self) -> dict[str, Any] | None:
        """Return the JSON Schema of tool calls or an answer; of the answer alone if no tool may be used."""
        if not self.is_open:
            return None if self.answer_schema is None else dict(self.answer_schema)
        shared = SharedDefinitions()
        offered = [tool for tool in self.tools if self.named in (None, tool.name)]
        calls = _calls_schema([_call_schema(tool, shared) for tool in offered], parallel=self.parallel)
        if self.is_forced:
            schema = {"title": "ToolCalls", **closed({"tool_calls": {"type": "array", "minItems": 1, **calls}})}
        else:
            content: dict[str, Any] = {"type": ["string", "null"], "description": "The reply to the user."}
            if self.answer_schema is not None:
                content = {"anyOf": [shared.take(self.answer_schema, prefix="Answer"), {"type": "null"}]}
            listed = {"type": ["array", "null"], "description": "Tools to run now.", **calls}
            schema = {"title": "Turn", **closed({"tool_calls": listed, "content": content})}
        return schema | ({"$defs": shared.schemas} if shared.schemas else {})

    def applied_to(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of a run with the schema of this offer and its guidance."""
        instructions = parameters.get("response_format_instructions")
        if self.is_open:
            own = self._guidance()
            instructions = f"{instructions}\n\n{own}" if instructions else own
        return {**parameters, "response_format": self.response_format(), "response_format_instructions": instructions}

    def refuses_without_arguments(self, name: str) -> bool:
        """Whether a call of this name fails without its arguments, rather than running with defaults."""
        return not any(tool.name == name and not tool.parameters.get("required") for tool in self.tools)

    def read(self, response: RunState) -> Reply:
        """Return the tool calls or the answer of a run with :meth:`response_format`."""
        value = object_of(response)
        if (
            self.may_write
            and response.structured_response is None
            and not (value or {}).keys() & {"tool_calls", "content"}
        ):
            return Reply(content=response.output_text or "")  # an answer in words, also one in JSON
        if value is None:
            raise _unusable(response, "returned no object for its response_format")
        listed = value.get("tool_calls")
        # Ids that stay the same when the run is read again, as by a step that is executed again.
        ids = f"call_{response.response_id.replace('-', '')}"
        calls = [self._call(item, f"{ids}_{at}") for at, item in enumerate(listed)] if isinstance(listed, list) else []
        content = self._content(value.get("content"))
        if not calls and (self.is_forced or content is None):
            raise _unusable(response, f"returned neither tool calls nor content, but {_short(value)}")
        if calls and self.answer_schema is not None:
            content = None  # the answer comes when the results are in
        return Reply(
            calls=tuple(call for call in calls if not call.problem),
            invalid=tuple(call for call in calls if call.problem),
            content=content or "",
        )

    @staticmethod
    def _call(item: object, call_id: str) -> RequestedToolCall:
        if not isinstance(item, Mapping):
            return RequestedToolCall("", item, call_id, problem="The agent returned something else than a call.")
        name, args = item.get("name"), item.get("args")
        if isinstance(args, str):
            args = json_or_text(args) if args.strip() else {}
        if not isinstance(name, str) or not name:
            return RequestedToolCall("", args, call_id, problem="The call does not name a tool.")
        if args is None:
            args = {}
        if not isinstance(args, Mapping):
            return RequestedToolCall(name, args, call_id, problem=f"The arguments are not an object: {_short(args)}.")
        return RequestedToolCall(name, dict(args), call_id)

    def _content(self, content: object) -> str | None:
        if self.answer_schema is not None and isinstance(content, str):
            content = json_or_text(content)
        if isinstance(content, str) and self.answer_schema is None:
            return content
        if content is None or (self.answer_schema is not None and not isinstance(content, Mapping)):
            return None
        return json.dumps(content, ensure_ascii=False)


def choice_of(tool_choice: object) -> tuple[Choice, str | None]:
    """Return whether tools may, must or must not be used, and the name of the one that must be.

    ``tool_choice`` is ``auto``, ``any`` or ``required``, ``none``, the name of a tool, a bool, None, or one of the
    dicts of OpenAI and Anthropic.
    """
    if isinstance(tool_choice, bool | None):
        return "any" if tool_choice else "auto", None
    if isinstance(tool_choice, str):
        known = _CHOICES.get(tool_choice)
        return (known, None) if known else ("any", tool_choice)
    if isinstance(tool_choice, Mapping):
        inner = tool_choice.get("function")
        name = inner.get("name") if isinstance(inner, Mapping) else tool_choice.get("name")
        if isinstance(name, str) and name:
            return "any", name
        if tool_choice.get("type") in _CHOICES:
            return _CHOICES[tool_choice["type"]], None
    raise ValidationError(f"tool_choice={tool_choice!r} is not known: use 'auto', 'any', 'none' or the name of a tool.")


def _calls_schema(calls: Sequence[Mapping[str, Any]], *, parallel: bool) -> dict[str, Any]:
    items = dict(calls[0]) if len(calls) == 1 else {"anyOf": [dict(call) for call in calls]}
    return {"items": items} if parallel else {"items": items, "maxItems": 1}


def _call_schema(tool: Tool, shared: SharedDefinitions) -> dict[str, Any]:
    args = shared.take({"type": "object", **tool.parameters}, prefix=tool.name)
    about = {"description": tool.description} if tool.description else {}
    # Gemini does not read const.
    name = {"type": "string", "const": tool.name, "enum": [tool.name]}
    return {"title": tool.name, **about, **closed({"name": name, "args": args})}


def _tool_of(call: Mapping[str, Any], root: Mapping[str, Any]) -> Tool:
    """Return the tool of a schema that :func:`_call_schema` has made."""
    parts = call["properties"]
    return Tool(parts["name"]["const"], call.get("description", ""), _with_definitions(parts["args"], root))


def _with_definitions(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part of a schema as one of its own, with the definitions that it needs."""
    known, needed = root.get("$defs", {}), {}
    waiting = [schema]
    while waiting:
        for name in _REFERENCE.findall(json.dumps(waiting.pop())):
            if name in known and name not in needed:
                needed[name] = known[name]
                waiting.append(known[name])
    return as_object({**schema, **({"$defs": needed} if needed else {})})


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _unusable(response: RunState, problem: str) -> StructuredOutputError:
    return StructuredOutputError.of_run(response, f"Run {response.response_id} was offered tools and {problem}.")
