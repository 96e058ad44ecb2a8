"""Tools in LlamaIndex' forms one way, the agent's calls of them the other. Pure, but for one line of log."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ContentBlock, MessageRole, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection

from lumnisai_core import ResponseObject
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._shared.structured import StructuredOutputError
from lumnisai_integrations._shared.tools import Call, Reply, Tool, ToolOffer, choice_of

if TYPE_CHECKING:
    from llama_index.core.tools.types import BaseTool

_logger = logging.getLogger(__name__)

#: Keywords of a call that say which tools the caller runs.
TOOL_KEYWORDS = frozenset({"tools", "tool_choice", "parallel_tool_calls"})
#: Key of ``ChatResponse.additional_kwargs`` with what is wrong with calls that cannot be run.
PROBLEMS = "lumnis_tool_call_problems"


def prepared_chat(
    tools: Sequence[BaseTool],
    user_msg: str | ChatMessage | None,
    chat_history: Sequence[ChatMessage] | None,
    keywords: Mapping[str, Any],
    *,
    parallel: bool,
    required: bool,
) -> dict[str, Any]:
    """Write a chat with tools as the arguments of ``chat``. What is given stays as it is.

    Args:
        tools: The tools.
        user_msg: Message of the user that comes last.
        chat_history: The conversation before it, oldest first.
        keywords: Further keywords of the call; ``tool_choice`` among them says more than ``required``.
        parallel: Whether several tools may be called at once.
        required: Whether a tool must be called.

    Returns:
        Arguments of which ``tools`` are plain dicts, because keywords travel in events, which back ends write as JSON.
    """
    last = [ChatMessage(role=MessageRole.USER, content=user_msg)] if isinstance(user_msg, str) else [user_msg]
    choice = keywords.get("tool_choice")
    return {
        **keywords,
        "messages": [*(chat_history or ()), *(message for message in last if message is not None)],
        "tools": [plain_tool(tool) for tool in tools],
        "tool_choice": ("required" if required else "auto") if choice is None else choice,
        "parallel_tool_calls": parallel,
    }


def plain_tool(tool: BaseTool) -> dict[str, Any]:
    """Describe a tool by plain data, in the form that OpenAI made common."""
    about = tool.metadata
    # The name stays as it is: LlamaIndex finds the tool by it.
    described = {"name": about.get_name(), "description": about.description, "parameters": about.get_parameters_dict()}
    return {"type": "function", "function": described}


def offer_of(keywords: Mapping[str, Any], answer_schema: Mapping[str, Any] | None) -> ToolOffer | None:
    """Read the tools that a call offers; None if the run may not use any.

    Args:
        keywords: The keywords of the call.
        answer_schema: JSON Schema of the answer, if it is to be an object.

    Raises:
        ValidationError: A tool or the choice is not usable.
    """
    choice, named = choice_of(keywords.get("tool_choice"))
    tools = [_tool(index, given) for index, given in enumerate(keywords.get("tools") or ())]
    offer = ToolOffer(
        tuple({tool.name: tool for tool in tools}.values()),  # of several with one name LlamaIndex runs the last
        choice=choice,
        named=named,
        parallel=keywords.get("parallel_tool_calls") is not False,
        answer_schema=answer_schema,
    )
    return offer if offer.is_open else None


def _tool(index: int, given: object) -> Tool:
    if hasattr(given, "metadata"):
        given = plain_tool(given)  # type: ignore[arg-type] # only tools have one
    inner = given.get("function", given) if isinstance(given, Mapping) else None
    if not isinstance(inner, Mapping) or not isinstance(inner.get("name"), str):
        raise ValidationError(
            f"tools[{index}] is no tool but {given!r}: pass a tool of LlamaIndex, or a dict with name, description and "
            "parameters (a JSON Schema)."
        )
    parameters = inner.get("parameters") or inner.get("input_schema") or {}
    return Tool(inner["name"], inner.get("description") or "", parameters)


def reply_of(offer: ToolOffer, response: ResponseObject) -> Reply:
    """Read what a run returned for an offer; of several calls, where one at a time was asked for, the first.

    Raises:
        StructuredOutputError: The run returned neither calls nor an answer.
    """
    reply = offer.read(response)
    calls = reply.calls[:1] if not offer.parallel else reply.calls
    for call in reply.calls[len(calls) :]:
        _logger.warning("Run %s asked for several calls at once: %s waits.", response.response_id, call.name)
    return Reply(calls, reply.invalid, reply.content)


def blocks_of(reply: Reply) -> list[ContentBlock]:
    """Show the calls of a reply as blocks of the assistant's message; arguments that are no object stay text."""
    usable = [
        ToolCallBlock(tool_call_id=call.id, tool_name=call.name, tool_kwargs=dict(call.args)) for call in reply.calls
    ]
    return [*usable, *(_unusable_block(call) for call in reply.invalid)]


def _unusable_block(call: Call) -> ToolCallBlock:
    args = json.dumps(call.args, ensure_ascii=False, default=str)
    return ToolCallBlock(tool_call_id=call.id, tool_name=call.name, tool_kwargs=args)


def openai_calls_of(blocks: Iterable[object]) -> list[dict[str, Any]]:
    """Write calls in the older form, where parts of LlamaIndex still look for them."""
    return [_openai_call(block) for block in blocks if isinstance(block, ToolCallBlock)]


def _openai_call(block: ToolCallBlock) -> dict[str, Any]:
    args = block.tool_kwargs
    arguments = args if isinstance(args, str) else json.dumps(args, ensure_ascii=False)
    return {
        "id": block.tool_call_id,
        "type": "function",
        "function": {"name": block.tool_name, "arguments": arguments},
    }


def problems_of(offer: ToolOffer, reply: Reply) -> list[str]:
    """Say what is wrong with the calls that cannot be run."""
    names = [tool.name for tool in offer.tools]
    unknown = [call.name for call in reply.calls if call.name not in names]
    return [f"{call.name or 'A call'}: {call.problem}" for call in reply.invalid] + [
        f"There is no tool {name!r}, only {', '.join(names)}." for name in unknown
    ]


def selections_of(response: ChatResponse, *, strict: bool) -> list[ToolSelection]:
    """Return the calls that an answer asks for.

    Args:
        response: The answer, or any chunk of a streamed one.
        strict: Whether there must be a call, and all of them must be such that they can be run.

    Returns:
        The calls. One that cannot be run goes under a name that no tool has: agents answer such a call with an error
        text, in which the agent on the platform reads what was wrong, and no tool runs with made-up arguments.

    Raises:
        StructuredOutputError: Strict, and there is no call or one that cannot be run.
    """
    selections = [_selection(block) for block in response.message.blocks if isinstance(block, ToolCallBlock)]
    if strict:
        problems = response.additional_kwargs.get(PROBLEMS) or []
        if problems or not selections:
            what = " ".join(problems) or f"answered {response.message.content!r} instead of calling a tool."
            run = str(response.additional_kwargs.get("response_id"))
            raise StructuredOutputError(
                f"Run {run} {'asked for calls that cannot be run. ' if problems else ''}{what}",
                response_id=run,
                thread_id=response.additional_kwargs.get("thread_id"),
            )
    return selections


def _selection(block: ToolCallBlock) -> ToolSelection:
    kwargs, name = block.tool_kwargs, block.tool_name
    if not isinstance(kwargs, dict):
        name = f"{name or 'without a name'} (its arguments are no object: {kwargs})"
        kwargs = {}
    return ToolSelection(tool_id=block.tool_call_id or "", tool_name=name, tool_kwargs=kwargs)
