"""Run parameters: which there are, and how fields and the keywords of one call settle them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import pydantic
from pydantic import BaseModel, Field

from lumnisai_core import (
    AgentConfig,
    FileAttachment,
    InvokeParameters,
    ModelOverrides,
    ResponseObject,
    ResponseStatus,
    RunUpdate,
    Scope,
    WatchParameters,
)
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.tools import cut_at, cut_while_growing, rest_of

#: Parameters of the core's ``invoke``. Every component that starts runs has them as fields; for ``on_progress``
#: components have the callbacks of their framework.
RUN_FIELDS = tuple(name for name in InvokeParameters.__annotations__ if name != "on_progress")

#: How a run is watched, which does not change its answer.
WATCH_FIELDS = tuple(name for name in WatchParameters.__annotations__ if name != "on_progress")

#: Parameters of other models and their clients that frameworks hand to any model. The platform decides them itself.
_IGNORED = """
additional_headers additional_kwargs audio best_of cache_control cached_content candidate_count default_headers echo
extra_headers extra_query format frequency_penalty generation_config include keep_alive logit_bias logprobs
max_completion_tokens max_new_tokens max_output_tokens max_tokens max_tokens_to_sample metadata min_p modalities n
num_ctx num_predict prediction presence_penalty prompt_cache_key random_seed reasoning reasoning_effort repeat_penalty
repetition_penalty response_mime_type safety_settings seed service_tier store stream_options stream_usage temperature
thinking timeout top_k top_logprobs top_p truncation typical_p user verbosity
"""
IGNORED_PARAMETERS = frozenset(_IGNORED.split())

#: Values of unknown keywords that ask for nothing.
NOTHING: tuple[object, ...] = (None, [], {}, "")

#: Keywords that say nothing about the run.
SILENT_KEYWORDS = frozenset({"verbose", "formatted", "strict", "allow_parallel_tool_calls", "run_manager"})

#: Keywords for texts before which an answer is cut off, in the words of different models.
STOP_KEYWORDS = ("stop", "stop_sequences")

#: Keywords of a call about tools that the caller runs.
TOOL_KEYWORDS = frozenset({"tools", "tool_choice", "parallel_tool_calls"})

#: Name of the model in fields, traces and metadata if the platform chooses it.
DEFAULT_MODEL_NAME = "lumnis"

#: Who remembers the conversation: the caller, who sends all of it each time, or the thread on the service.
History = Literal["client", "server"]
HISTORIES = ("client", "server")


def run_parameters(
    fields: Mapping[str, Any], keywords: Mapping[str, Any], *, model: str | None, model_of_call: bool
) -> dict[str, Any]:
    """Return the parameters of one run: a keyword of the call wins over the field of the same name, also with None.

    The model, as ``provider:model``, stands for the override ``smart_model``. One of the call beats any override; one
    of a field does not.
    """
    known = {name: value for name, value in keywords.items() if value is not None or name in _MAY_BE_NONE}
    parameters = {name: fields[name] for name in RUN_FIELDS} | known
    check_model(model)
    if asks_for_tenant_view(keywords):
        parameters["user_id"] = None
    overrides = parameters["model_overrides"]
    if overrides is not None or model is not None:
        try:
            plain = plain_overrides(overrides) or {}
        except pydantic.ValidationError as error:
            raise ValidationError(f"model_overrides cannot be read: {error}") from error
        named = {} if model is None else {"smart_model": model}
        parameters["model_overrides"] = {**plain, **named} if model_of_call else {**named, **plain}
    return parameters


#: Parameters that None takes away; for all others it means the field.
_MAY_BE_NONE = frozenset(RUN_FIELDS) - {"progress_interval", "cancel_on_interrupt", "show_progress", "scope"}


def check_model(name: object) -> None:
    """Check the name of a model.

    Raises:
        ValidationError: It is not of the form ``provider:model``.
    """
    if name is not None and not (isinstance(name, str) and all(name.partition(":"))):
        raise ValidationError(f"model must be written provider:model, such as openai:gpt-4o, got {name!r}.")


def check_number(name: str, value: object, *, least: int, most: int | None = None) -> int:
    """Return a whole number in a range; any other value is a ``ValidationError``."""
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= (value if most is None else most):
        return value
    limit = "" if most is None else f" to {most}"
    raise ValidationError(f"{name} must be a whole number from {least}{limit}, got {value!r}.")


def stops_of(keywords: Mapping[str, Any], fields: Mapping[str, Any]) -> list[str]:
    """Return the texts before which an answer is cut off: those of the call, else the model's; one may be bare."""
    named = (values[name] for values in (keywords, fields) for name in STOP_KEYWORDS if values.get(name))
    stops = next(named, ())
    return [stops] if isinstance(stops, str) else list(stops)


class GrowingAnswer:
    """The text of an answer that is shown while it is written, and then completed.

    Nothing is shown that may belong to one of the texts before which the answer is cut off.
    """

    def __init__(self, stop: Iterable[str] = ()) -> None:
        self._stop = tuple(mark for mark in stop if mark)
        self._text = ""
        self.shown = ""

    def grow(self, update: RunUpdate) -> str:
        """Return the text that an update adds to what is shown."""
        self._text += update.delta
        text = cut_while_growing(self._text, self._stop)
        new, self.shown = text[len(self.shown) :], text
        return new

    def piece(self, update: RunUpdate) -> str:
        """Return the text that an update adds; the last one adds the rest of an answer of which something is shown."""
        if update.response is None:
            return self.grow(update)
        is_open = bool(self.shown) and update.status == ResponseStatus.SUCCEEDED
        return self.rest(cut_at(update.output_text or "", self._stop)) if is_open else ""

    def rest(self, answer: str) -> str:
        """Return what the whole answer adds to what is shown."""
        return rest_of(answer, self.shown)


def asks_for_tenant_view(keywords: Mapping[str, Any]) -> bool:
    """Return whether one call switches to tenant scope, which leaves out the user of the component's fields."""
    return keywords.get("scope") == Scope.TENANT and "user_id" not in keywords


def ignored_parameters(keywords: Mapping[str, Any]) -> set[str]:
    """Return the keywords with a value that have no effect, because the platform decides how models are called."""
    return {name for name, value in keywords.items() if name in IGNORED_PARAMETERS and value not in NOTHING}


def ignored_warning(component: str, names: Iterable[str]) -> str:
    """Return the text of the warning about ignored parameters."""
    return (
        f"{component} ignores {', '.join(sorted(names))}: the platform decides how its models are called. Use "
        "agent_config= and model_overrides= to direct it."
    )


def plain_overrides(overrides: ModelOverrides | Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return checked model choices as plain data."""
    return _plain(ModelOverrides, overrides)


def plain_agent_config(agent_config: AgentConfig | Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return checked agent settings as plain data."""
    return _plain(AgentConfig, agent_config)


def plain_files(files: Iterable[FileAttachment | Mapping[str, Any]] | None) -> list[dict[str, Any] | None] | None:
    """Return checked file attachments as plain data."""
    return None if files is None else [_plain(FileAttachment, file) for file in files]


def _plain(kind: type[BaseModel], value: BaseModel | Mapping[str, Any] | None) -> dict[str, Any] | None:
    if value is None:
        return None
    checked = value if isinstance(value, kind) else kind.model_validate(value)
    return checked.model_dump(mode="json", exclude_unset=True, exclude_none=True)


def progress_updates(response: ResponseObject) -> list[RunUpdate]:
    """Return the updates that a listener would have received for the progress entries of a run."""
    return [
        RunUpdate(
            response_id=response.response_id,
            thread_id=response.thread_id,
            status=ResponseStatus.IN_PROGRESS,
            state=entry.state,
            message=entry.message,
            tool_calls=tuple(entry.tool_calls),
            entry_index=index,
        )
        for index, entry in enumerate(response.progress)
    ]


def reasoning_text(update: RunUpdate) -> str:
    """Return what an update adds to the visible reasoning: its message or the new tool calls, each with a line end."""
    # The message of an entry that has grown was shown when the entry came.
    lines = [update.message] if update.message and not update.is_growth else []
    return "".join(f"{line}\n" for line in (*lines, *map(str, update.tool_calls)))


#: When a model should call an agent.
AGENT_DESCRIPTION = (
    "Gives a task to an agent that plans, researches and works on its own, and returns its answer. It may take "
    "minutes: use it for tasks that need several steps, not for what you know yourself."
)

#: Stands for an answer without text, because models refuse empty results of tools.
NO_TEXT = "The agent finished without a text."


class AgentTask(BaseModel):
    """Arguments with which a model calls an agent as a tool."""

    task: str = Field(
        min_length=1,
        description="What to do, in full sentences and with everything that must be known for it: the agent sees "
        "nothing of this conversation.",
    )
