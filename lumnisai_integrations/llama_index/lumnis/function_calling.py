"""Tools that the caller runs: reading LlamaIndex's forms of them, and writing the agent's calls in them. Logs once."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from llama_index.core.base.llms.types import ChatResponse, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools.types import BaseTool

from lumnisai_core import ResponseObject
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.tools import Reply, StructuredOutputError, Tool, ToolOffer

_logger = logging.getLogger(__name__)

#: Key of ``ChatResponse.additional_kwargs`` with the problems of tool calls that cannot be run.
PROBLEMS = "lumnis_tool_call_problems"


def plain_tool(tool: BaseTool) -> dict[str, Any]:
    """Return a tool as plain data, in the form that OpenAI made common."""
    about = tool.metadata
    # The name stays as it is: LlamaIndex finds the tool by it.
    return Tool(about.get_name(), about.description, about.get_parameters_dict()).as_function()


def offer_of(keywords: Mapping[str, Any], answer_schema: Mapping[str, Any] | None) -> ToolOffer | None:
    """Return the tools that a call offers; None if the run may not use any."""
    tools = [_tool(index, tool) for index, tool in enumerate(keywords.get("tools") or ())]
    by_name = {tool.name: tool for tool in tools}  # of several with one name LlamaIndex runs the last
    offer = ToolOffer.of_call(by_name.values(), keywords, answer_schema)
    return offer if offer.is_open else None


def _tool(index: int, value: object) -> Tool:
    if hasattr(value, "metadata"):
        value = plain_tool(value)  # type: ignore[arg-type] # only tools have one
    inner = value.get("function", value) if isinstance(value, Mapping) else None
    if not isinstance(inner, Mapping) or not isinstance(inner.get("name"), str):
        raise ValidationError(
            f"tools[{index}] must be a tool of LlamaIndex, or a dict with name, description and parameters (a JSON "
            f"Schema), got {value!r}."
        )
    parameters = inner.get("parameters") or inner.get("input_schema") or {}
    return Tool(inner["name"], inner.get("description") or "", parameters)


def reply_of(offer: ToolOffer, response: ResponseObject) -> Reply:
    """Return the reply of a run to an offer; of several calls in an offer of one at a time, the first."""
    reply = offer.read(response)
    calls = reply.calls if offer.parallel else reply.calls[:1]
    for call in reply.calls[len(calls) :]:
        _logger.warning("Run %s returned several tool calls at once: %s is left out.", response.response_id, call.name)
    return Reply(calls, reply.invalid, reply.content)


def blocks_of(reply: Reply) -> list[ToolCallBlock]:
    """Return the tool calls of a reply as blocks of the assistant's message; arguments other than objects are text."""
    return [
        ToolCallBlock(
            tool_call_id=call.id,
            tool_name=call.name,
            tool_kwargs=json.dumps(call.args, ensure_ascii=False, default=str) if call.problem else call.args,
        )
        for call in (*reply.calls, *reply.invalid)
    ]


def openai_call(block: ToolCallBlock) -> dict[str, Any]:
    """Return a tool call in OpenAI's older form, which parts of LlamaIndex still read."""
    args = block.tool_kwargs
    arguments = args if isinstance(args, str) else json.dumps(args, ensure_ascii=False)
    function = {"name": block.tool_name, "arguments": arguments}
    return {"id": block.tool_call_id, "type": "function", "function": function}


def problems_of(offer: ToolOffer, reply: Reply) -> list[str]:
    """Return the problems of tool calls that cannot be run."""
    names = [tool.name for tool in offer.tools]
    unknown = [call.name for call in reply.calls if call.name not in names]
    return [f"{call.name or 'A call'}: {call.problem}" for call in reply.invalid] + [
        f"There is no tool {name!r}, only {', '.join(names)}." for name in unknown
    ]


def selections_of(response: ChatResponse, *, strict: bool) -> list[ToolSelection]:
    """Return the tool calls of an answer, or of a chunk of one; ``strict`` refuses none, and those that cannot be run.

    A call that cannot be run has a name that no tool has: agents answer such a call with an error text, in which the
    agent on the platform reads the problem, and no tool runs with invented arguments.
    """
    selections = [_selection(block) for block in response.message.blocks if isinstance(block, ToolCallBlock)]
    known = response.additional_kwargs
    problems = known.get(PROBLEMS) or []
    if strict and (problems or not selections):
        run = str(known.get("response_id"))
        if problems:
            message = f"Run {run} requested tool calls that cannot be run. {' '.join(problems)}"
        else:
            message = f"Run {run} answered {response.message.content!r} instead of calling a tool."
        raise StructuredOutputError(message, response_id=run, thread_id=known.get("thread_id"))
    return selections


def _selection(block: ToolCallBlock) -> ToolSelection:
    kwargs, name = block.tool_kwargs, block.tool_name
    if not isinstance(kwargs, dict):
        name = f"{name or 'without a name'} (its arguments are not an object: {kwargs})"
        kwargs = {}
    return ToolSelection(tool_id=block.tool_call_id or "", tool_name=name, tool_kwargs=kwargs)
