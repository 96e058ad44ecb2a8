"""Prompts of conversations for models behind the privacy gateway: which thread, which messages, as one text. Pure.

The gateway keeps the earlier turns of a thread and takes one text for each turn. It has no roles, tools or parameters
of models.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.liminal import AnalyzeResponse, ModelInstance, ModelInstanceUnknownError, SubmitResponse
from lumnisai_integrations._shared.conversation import NO_INSTRUCTIONS
from lumnisai_integrations._shared.runs import (
    IGNORED_PARAMETERS,
    NOTHING,
    SILENT_KEYWORDS,
    STOP_KEYWORDS,
    TOOL_KEYWORDS,
    ignored_parameters,
    stops_of,
)
from lumnisai_integrations._shared.turns import Answers, Tags, continue_thread

#: Name of the platform in the metadata of its answers.
PROVIDER = "liminal"
#: Key of ``config["configurable"]`` in LangChain and of ``additional_kwargs`` in LlamaIndex.
THREAD_KEY = "liminal_thread_id"
#: Name of threads that are made for streams. It is stored as it is, so it says nothing.
THREAD_NAME = "Conversation"

#: Who remembers the conversation: the caller, who sends all of it each time, or the thread of the gateway.
History = Literal["client", "server"]

_LABELS = {"system": "Instructions", "user": "User", "assistant": "Assistant"}
_OWN = frozenset({"thread_id", "history", "model_instance", *STOP_KEYWORDS})
#: Keywords that frameworks hand down.
_HANDED_DOWN = {"stream", "ls_structured_output_format", "structured_output_format", "model", "model_name"}
_KNOWN = _OWN | _HANDED_DOWN | IGNORED_PARAMETERS | SILENT_KEYWORDS | TOOL_KEYWORDS


class Spoken(NamedTuple):
    """A message of a conversation.

    Attributes:
        role: ``system``, ``user`` or ``assistant``.
        text: Its text.
        thread_id: The thread whose answer it is, or None.
    """

    role: str
    text: str
    thread_id: int | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """One call of the gateway.

    Attributes:
        thread_id: The thread to continue, or None for a new one.
        text: The text of the turn.
        model_instance: Name or id of the model instance, or None for the only one.
        stops: Texts before which the answer is cut off.
        instructions: The instructions that hold after the call; None if it leaves them as they were.
    """

    thread_id: int | None
    text: str
    model_instance: str | int | None = None
    stops: tuple[str, ...] = ()
    instructions: tuple[str, ...] | None = None


def prompt_of(
    messages: Sequence[Spoken],
    fields: Mapping[str, Any],
    keywords: Mapping[str, Any],
    instructions: Mapping[str, tuple[str, ...]],
) -> Prompt:
    """Return the prompt of one call; its keywords win over the model's fields.

    Args:
        messages: The conversation, oldest first.
        fields: Fields of the model: ``model_instance``, ``thread_id``, ``history`` and ``stop``.
        keywords: Those of the call. ``thread_id=None`` starts a new thread, whatever the messages say.
        instructions: The last instructions of threads, as far as they are known.

    Raises:
        ValidationError: There is nothing to send, or the call has tools.
    """
    if tools := [name for name in TOOL_KEYWORDS if keywords.get(name) not in NOTHING and name != "parallel_tool_calls"]:
        raise ValidationError(f"Liminal has no tool calling: leave out {', '.join(sorted(tools))}, or guard a model.")
    if not any(message.text.strip() for message in messages):
        raise ValidationError("The messages have no text: pass at least one that is not empty.")
    thread, follows = thread_of(fields, keywords)
    continued = continue_thread(
        [
            _tags(message) if thread is not None or follows else Tags(role=message.role, text=message.text)
            for message in messages
        ],
        thread_id=None if thread is None else str(thread),
        answers=Answers.FOLLOW,
        instructions=instructions,
    )
    ending = [Spoken("system", NO_INSTRUCTIONS)] if continued.ends_instructions else []
    return Prompt(
        None if continued.thread_id is None else int(continued.thread_id),
        _folded([*ending, *(messages[at] for at in continued.send)]),
        instance_of(fields, keywords),
        tuple(stops_of(keywords, fields)),
        continued.instructions,
    )


def instance_of(fields: Mapping[str, Any], keywords: Mapping[str, Any]) -> str | int | None:
    """Return the model instance of a call, which frameworks call its model."""
    named = (keywords.get(name) for name in ("model_instance", "model", "model_name"))
    wanted: str | int | None = next((name for name in named if name), None) or fields["model_instance"]
    return wanted


def thread_of(fields: Mapping[str, Any], keywords: Mapping[str, Any]) -> tuple[int | None, bool]:
    """Return the thread that a call names, and whether it follows the thread of its messages if it names none.

    Raises:
        ValidationError: ``thread_id`` or ``history`` is not valid.
    """
    history = keywords.get("history") or fields["history"]
    if history not in ("client", "server"):
        raise ValidationError(f"history must be 'client' or 'server', got {history!r}")
    starts_new = "thread_id" in keywords and keywords["thread_id"] is None
    named = keywords.get("thread_id", fields["thread_id"])
    if named is None:
        return None, history == "server" and not starts_new
    if isinstance(named, bool) or not (isinstance(named, int) or (isinstance(named, str) and named.isdecimal())):
        raise ValidationError(f"thread_id must be the integer id of a thread, got {named!r}")
    return int(named), False


def ignored(component: str, names: Mapping[str, Any]) -> set[str]:
    """Return the fields or keywords of other models that have a value and no effect here.

    Raises:
        TypeError: A name is not known at all.
    """
    if unknown := {name for name, value in names.items() if name not in _KNOWN and value is not None}:
        raise TypeError(f"{component} has no {', '.join(sorted(unknown))}; its keywords are {', '.join(sorted(_OWN))}.")
    return ignored_parameters(names)


def _tags(message: Spoken) -> Tags:
    thread = None if message.thread_id is None else str(message.thread_id)
    return Tags(thread, is_answer=thread is not None, role=message.role, text=message.text)


def _folded(messages: Sequence[Spoken]) -> str:
    """Write messages as one text: instructions and one question as paragraphs, a conversation with labels."""
    spoken = [message for message in messages if message.text.strip()]
    others = [message for message in spoken if message.role != "system"]
    if len(others) <= 1 and (not others or others[0].role == "user"):
        return "\n\n".join(message.text for message in [*(one for one in spoken if one not in others), *others])
    return "\n\n".join(f"{_LABELS[message.role]}: {message.text}" for message in spoken)


def chosen(instances: Collection[ModelInstance], wanted: str | int | None) -> ModelInstance:
    """Return the model instance of a name or id; without one, the only usable one.

    Raises:
        ModelInstanceUnknownError: There is none, or there are several to choose from.
    """
    usable = [one for one in instances if one.model_connections]
    found = [one for one in usable if wanted is None or wanted in (one.id, one.name)]
    if not found or (wanted is None and len(found) > 1):
        known = ", ".join(sorted(repr(one.name) for one in usable)) or "none"
        which = "model_instance is needed" if wanted is None and found else f"The model instance {wanted!r} is unknown"
        raise ModelInstanceUnknownError(f"{which}; usable: {known}.")
    return found[0]


def facts_of(answer: SubmitResponse) -> dict[str, Any]:
    """Return what may be said of an answer: ids, model, and findings as counts by type, never values."""
    cleansed = answer.deidentified_input_text_data
    kinds = (re.sub(r"_\d+$", "", item.entity_type) for item in (cleansed.items if cleansed else ()))
    known = {"model_name": answer.llm_model, "thread_id": answer.thread_id, "chat_id": answer.chat_id}
    return known | {"findings": dict(Counter(kinds))}


def facts_of_stream(instance: ModelInstance, thread_id: int, findings: AnalyzeResponse) -> dict[str, Any]:
    """Return what may be said of a streamed answer; the stream itself names neither model nor chat."""
    hidden = (one.type for one in findings.findings if one.policy_action != "allow")
    model = next((one.model for one in instance.model_connections), "")
    return {"model_name": model, "thread_id": thread_id, "findings": dict(Counter(hidden))}


class StopMarks:
    """The part of a stream before the first of some texts; what may be the beginning of one waits.

    Args:
        marks: the texts.
    """

    def __init__(self, marks: Iterable[str]) -> None:
        self._marks = [mark for mark in marks if mark]
        self._held = ""
        #: Whether one of the texts has come.
        self.is_reached = False

    def piece(self, text: str) -> str:
        """Return what can be passed on after a further piece."""
        held = self._held + text
        ends = [at for mark in self._marks if (at := held.find(mark)) >= 0]
        if ends:
            self.is_reached, self._held = True, ""
            return held[: min(ends)]
        waits = max((n for mark in self._marks for n in range(1, len(mark)) if held.endswith(mark[:n])), default=0)
        self._held = held[len(held) - waits :]
        return held[: len(held) - waits]

    def rest(self) -> str:
        """Return what has waited when the stream ends."""
        held, self._held = self._held, ""
        return held
