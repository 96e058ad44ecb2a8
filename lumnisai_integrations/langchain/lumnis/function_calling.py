"""Tools that the caller runs: reading LangChain's forms of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from langchain_core.utils.function_calling import convert_to_openai_tool

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.tools import Tool, ToolOffer, schema_of
from lumnisai_integrations.langchain.errors import model_errors

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

#: What LangChain accepts as a tool.
ToolLike: TypeAlias = "Mapping[str, Any] | type | Callable[..., Any] | BaseTool"


def tool_of(tool: ToolLike) -> Tool:
    """Return the name, description and schema of a LangChain tool, class, function or usual form of dict."""
    try:
        name, description, parameters = _parts(tool)
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError, NameError) as error:
        shown = getattr(tool, "name", None) or getattr(tool, "__name__", None) or repr(tool)
        raise ValidationError(f"{shown} cannot be used as a tool: {error}") from error
    if not isinstance(name, str):
        raise ValidationError(f"{tool!r} cannot be used as a tool: it has no name.")
    # Title and description of the schema repeat those of the tool.
    own = {key: value for key, value in parameters.items() if key not in ("title", "description")}
    return Tool(name, str(description or ""), own)


def _parts(tool: ToolLike) -> tuple[Any, Any, Mapping[str, Any]]:
    from langchain_core.tools import BaseTool, StructuredTool  # noqa: PLC0415 - slow; most models have no tools

    if not isinstance(tool, Mapping | BaseTool | type):  # a function, whose injected arguments are hidden
        is_async = inspect.iscoroutinefunction(tool)
        tool = StructuredTool.from_function(
            func=None if is_async else tool,
            coroutine=tool if is_async else None,
            description=None if inspect.getdoc(tool) else tool.__name__,
            parse_docstring=True,
            error_on_invalid_docstring=False,
        )
    if isinstance(tool, BaseTool) and (tool.metadata or {}).get("type") != "custom_tool":
        arguments = tool.tool_call_schema
        return tool.name, tool.description, arguments if isinstance(arguments, Mapping) else schema_of(arguments)
    if isinstance(tool, type):
        schema = schema_of(tool)
        return schema["title"], schema.get("description") or inspect.getdoc(tool), schema
    shown = convert_to_openai_tool(cast("Any", tool))
    function = shown.get("function")
    if not isinstance(function, Mapping):
        raise ValueError(
            f"a tool of type {shown.get('type')!r} runs on another platform, and Lumnis has tools of its own. Bind "
            "functions, LangChain tools, classes or schemas"
        )
    is_schema = isinstance(tool, Mapping) and not tool.keys() & {"name", "function", "toolSpec"}
    parameters = tool if is_schema else function.get("parameters") or cast("Any", tool).get("inputSchema") or {}
    return function.get("name"), function.get("description"), cast("Mapping[str, Any]", parameters)


def bound_tools(tools: Sequence[ToolLike]) -> list[dict[str, Any]]:
    """Return tools as plain data, as traces show them and :func:`offer_of` reads them."""
    return [tool_of(tool).as_function() for tool in tools]


def tool_keywords(
    tools: Sequence[ToolLike],
    *,
    tool_choice: str | bool | Mapping[str, Any] | None = None,
    parallel_tool_calls: bool | None = None,
    **others: Any,
) -> dict[str, Any]:
    """Return the keywords of a call that offers tools, checked."""
    with model_errors():
        about = {"tools": bound_tools(tools), "tool_choice": tool_choice, "parallel_tool_calls": parallel_tool_calls}
        keywords = {name: value for name, value in about.items() if value is not None}
        offer_of(keywords, None)  # raises here rather than in the first call
    return {**others, **keywords}


def offer_of(keywords: Mapping[str, Any], answer_schema: Mapping[str, Any] | None) -> ToolOffer | None:
    """Return the tools that a call offers; None if there are none."""
    tools = keywords.get("tools")
    return ToolOffer.of_call(map(tool_of, tools), keywords, answer_schema) if tools else None
