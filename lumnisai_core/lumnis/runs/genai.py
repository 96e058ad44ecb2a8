"""Names of the OpenTelemetry conventions for generative AI, their renames, and the switches they define. Pure.

The names are those of v1.41.0, the last numbered version with a part for generative AI.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

V = TypeVar("V")

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
AGENT: Final = "gen_ai.agent.name"
CONVERSATION: Final = "gen_ai.conversation.id"
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE: Final = "gen_ai.response.id"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
OUTPUT_TYPE: Final = "gen_ai.output.type"
INSTRUCTIONS: Final = "gen_ai.system_instructions"
INPUT: Final = "gen_ai.input.messages"
OUTPUT: Final = "gen_ai.output.messages"
TOOL: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_RESULT: Final = "gen_ai.tool.call.result"
ADDRESS: Final = "server.address"
PORT: Final = "server.port"
ERROR: Final = "error.type"
STATUS_CODE: Final = "http.response.status_code"

#: Counts of tokens, by their names in the usage of a run.
TOKENS: Final = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cache_read_input_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_creation_input_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
}

#: Names that were changed after v1.41.0, and their names since.
RENAMED: Final = {"gen_ai.usage.cache_creation.input_tokens": "gen_ai.usage.cache_write.input_tokens"}

#: The variable that turns on texts, and its values that do so on spans.
CONTENT_VARIABLE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_WITH_CONTENT = frozenset({"true", "span_only", "span_and_event"})

#: The variable that chooses between versions of conventions, a list, and the item of it that asks for the latest names.
VERSION_VARIABLE: Final = "OTEL_SEMCONV_STABILITY_OPT_IN"
_LATEST = "gen_ai_latest_experimental"


class Switches(NamedTuple):
    """What the environment chooses.

    Attributes:
        has_content: Whether texts are recorded.
        is_latest: Whether names are those of today instead of those of v1.41.0.
    """

    has_content: bool
    is_latest: bool


def switches(environment: Mapping[str, str]) -> Switches:
    """Read the variables of the conventions."""
    versions = environment.get(VERSION_VARIABLE, "").lower().split(",")
    return Switches(
        has_content=environment.get(CONTENT_VARIABLE, "").strip().lower() in _WITH_CONTENT,
        is_latest=_LATEST in map(str.strip, versions),
    )


def latest(attributes: Mapping[str, V]) -> dict[str, V]:
    """Return attributes under the names of today."""
    return {RENAMED.get(name, name): value for name, value in attributes.items()}
