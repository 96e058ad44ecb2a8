"""Tools in the forms in which LangChain holds them, and the bindings that keep them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableBinding, RunnableSequence
from langchain_core.tools import BaseTool
from langchain_core.tools.base import create_schema_from_function
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, PydanticUserError

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.tools import Tool, ToolOffer, choice_of
from lumnisai_integrations.langchain.errors import model_errors
from lumnisai_integrations.langchain.structured import Schema, json_schema_of

if TYPE_CHECKING:
    from lumnisai_integrations.langchain.chat import ChatLumnis

#: What LangChain takes for a tool.
ToolLike = Mapping[str, Any] | type | Callable[..., Any] | BaseTool

#: Keywords of a call that are about tools.
TOOL_KEYWORDS = frozenset({"tools", "tool_choice", "parallel_tool_calls"})


def tool_of(given: ToolLike) -> Tool:
    """Read a tool: a LangChain tool, a class, a function, or a dict in one of the usual forms.

    Raises:
        ValidationError: It is none of these, or one that only another platform can run.
    """
    try:
        shown = convert_to_openai_tool(given)
        parameters = _parameters(given)
    except (ValueError, TypeError, KeyError, AttributeError, PydanticUserError) as error:
        raise ValidationError(f"{given!r} is no tool: {error}") from error
    function = shown.get("function")
    if not isinstance(function, Mapping):
        raise ValidationError(
            f"A tool of type {shown.get('type')!r} runs at another platform, and Lumnis brings its own tools: bind "
            "functions, LangChain tools, classes or schemas."
        )
    if not isinstance(function.get("name"), str):
        raise ValidationError(f"{given!r} is no tool: it has no name.")
    return Tool(
        name=function["name"],
        description=function.get("description") or "",
        parameters=_bare(parameters or function.get("parameters") or {}),
    )


def _parameters(given: ToolLike) -> dict[str, Any] | None:
    """Return the schema of arguments as its class describes it; LangChain's own conversion ends where it recurs."""
    if isinstance(given, BaseTool):
        schema = given.tool_call_schema
        return dict(schema) if isinstance(schema, Mapping) else json_schema_of(schema)
    if isinstance(given, type):
        return json_schema_of(given)
    if isinstance(given, Mapping):
        function = given.get("function")
        found = function.get("parameters") if isinstance(function, Mapping) else None
        return dict(found) if isinstance(found, Mapping) else None
    model = create_schema_from_function(
        given.__name__, given, filter_args=(), parse_docstring=True, error_on_invalid_docstring=False
    )
    return json_schema_of(model)


def _bare(schema: Mapping[str, Any]) -> dict[str, Any]:
    # Name and description of the tool say this already.
    return {name: value for name, value in schema.items() if name not in ("title", "description")}


def bound_tools(tools: Sequence[ToolLike]) -> list[dict[str, Any]]:
    """Write tools in the form in which traces show them and :func:`offer_of` reads them.

    Raises:
        ValidationError: One of them is no tool.
    """
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)},
        }
        for tool in map(tool_of, tools)
    ]


def tool_keywords(
    tools: Sequence[ToolLike],
    *,
    tool_choice: str | bool | Mapping[str, Any] | None = None,
    parallel_tool_calls: bool | None = None,
    **others: Any,
) -> dict[str, Any]:
    """Return the keywords of a call that offers tools, checked.

    Raises:
        ValidationError: Something is no tool, or the choice names none of them.
    """
    with model_errors():
        about = {"tools": bound_tools(tools), "tool_choice": tool_choice, "parallel_tool_calls": parallel_tool_calls}
        given = {name: value for name, value in about.items() if value is not None}
        offer_of(given, None)  # what does not fit is said here, not in the first call
    return {**others, **given}


def offer_of(keywords: Mapping[str, Any], answer_schema: Mapping[str, Any] | None) -> ToolOffer | None:
    """Read what a call says about tools; None if it offers none.

    Raises:
        ValidationError: Tools or choice cannot be read, or do not fit each other.
    """
    tools = keywords.get("tools")
    if not tools:
        return None
    choice, named = choice_of(keywords.get("tool_choice"))
    return ToolOffer(
        tools=tuple(tool_of(tool) for tool in tools),
        choice=choice,
        named=named,
        parallel=keywords.get("parallel_tool_calls") is not False,
        answer_schema=answer_schema,
    )


class _Binding(RunnableBinding[LanguageModelInput, Any]):  # type: ignore[no-redef] # its field named kwargs
    model_config: ClassVar[ConfigDict] = ConfigDict(defer_build=True)

    @classmethod
    def lc_id(cls) -> list[str]:
        """Return the id of the class that loads it: what is saved is a plain binding."""
        return [*cls.get_lc_namespace(), "RunnableBinding"]


class ToolBinding(_Binding):  # type: ignore[no-redef] # as above
    """A chat model with its tools, which keeps them when structured output or other tools are asked of it."""

    def bind_tools(self, tools: Sequence[ToolLike], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the model with these tools instead; see :meth:`ChatLumnis.bind_tools`."""
        return self.bind(**tool_keywords(tools, **kwargs))

    def with_structured_output(self, schema: Schema, **kwargs: Any) -> Runnable[LanguageModelInput, Any]:
        """Return a chain that answers with objects or asks for tools; see :meth:`ChatLumnis.with_structured_output`."""
        model = cast("ChatLumnis", self.bound)
        return model.with_structured_output(schema, **{**self.kwargs, **kwargs}).with_config(self.config)


class StructuredChain(_Binding):  # type: ignore[no-redef] # as above
    """A chat model and the parser of a schema, to which tools can be added."""

    def bind_tools(self, tools: Sequence[ToolLike], **kwargs: Any) -> Runnable[LanguageModelInput, Any]:
        """Return the chain with tools that the agent may ask for first; see :meth:`ChatLumnis.bind_tools`."""
        model, *others = cast("RunnableSequence[LanguageModelInput, Any]", self.bound).steps
        offered = model.bind(**tool_keywords(tools, **kwargs))
        return self.model_copy(update={"bound": RunnableSequence(offered, *others)})
