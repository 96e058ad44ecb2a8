"""Tools and structured output of a caller as runs carry them: schemas, the offer of tools, and how turns are written.

>>> from lumnisai_core.tools import Tool, ToolOffer
>>> offer = ToolOffer((Tool("get_tide", "Tide at a port.", {"properties": {"port": {"type": "string"}}}),))
>>> run = client.invoke(question, **offer.applied_to({}))
>>> offer.read(run).calls
"""

from __future__ import annotations

from lumnisai_core.tools.offer import Choice, Reply, RequestedToolCall, Tool, ToolOffer, choice_of
from lumnisai_core.tools.schemas import (
    SharedDefinitions,
    answer_schema,
    as_object,
    builder_of,
    changed,
    check_schema,
    closed,
    newest,
    plain_schema,
    schema_of,
    unwrapped,
)
from lumnisai_core.tools.structured import (
    StructuredOutputError,
    object_of,
    structured_text,
    structured_value,
    used_part,
)
from lumnisai_core.tools.texts import (
    OWN_KEYS,
    cut_at,
    cut_while_growing,
    json_or_text,
    left_out,
    read_tool_calls,
    read_tool_result,
    rest_of,
    sendable,
    spoken,
    too_long,
    tool_calls_text,
    tool_result_text,
)

__all__ = [
    "OWN_KEYS",
    "Choice",
    "Reply",
    "RequestedToolCall",
    "SharedDefinitions",
    "StructuredOutputError",
    "Tool",
    "ToolOffer",
    "answer_schema",
    "as_object",
    "builder_of",
    "changed",
    "check_schema",
    "choice_of",
    "closed",
    "cut_at",
    "cut_while_growing",
    "json_or_text",
    "left_out",
    "newest",
    "object_of",
    "plain_schema",
    "read_tool_calls",
    "read_tool_result",
    "rest_of",
    "schema_of",
    "sendable",
    "spoken",
    "structured_text",
    "structured_value",
    "too_long",
    "tool_calls_text",
    "tool_result_text",
    "unwrapped",
    "used_part",
]
