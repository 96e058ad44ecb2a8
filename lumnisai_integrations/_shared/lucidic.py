"""Events of a framework's runs: open ones by the framework's ids, their parents, and how much of them is recorded."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Any, Final, NamedTuple
from uuid import UUID

import lumnisai_core.lucidic as lai
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lucidic import EventType

#: Ways in which a caller leaves a run that has not failed.
_CANCELLED = (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit)

#: Runs of a handler that may be open at the same time; of more, the oldest are recorded as unfinished.
MOST_OPEN: Final = 10_000

#: The names under which models take their parameters, which are all that is recorded of their settings.
_PARAMETERS = frozenset(
    """frequency_penalty logit_bias logprobs max_completion_tokens max_output_tokens max_tokens
max_tokens_to_sample n num_predict parallel_tool_calls presence_penalty reasoning reasoning_effort repeat_penalty
response_format seed service_tier stop stop_sequences temperature thinking tool_choice top_k top_p
    verbosity""".split()  # noqa: SIM905 - a list of words is easier to read
)

#: Fields of a content block that hold the bytes of an image, a recording or a document, and their longest text.
_BINARY = ("base64", "data", "image_url", "url", "image", "audio", "file_data")
_LONGEST_BINARY = 1_000


# What is recorded


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of the runs is recorded.

    Attributes:
        inputs: Whether messages, arguments and queries are recorded.
        outputs: Whether answers, tool calls, results, documents and the texts of errors are recorded.
        sample_rate: Share of the root runs that are recorded, with all that belongs to them, from 0 to 1.
        max_characters: Characters of a text, after which it is cut off, or None.
    """

    inputs: bool = True
    outputs: bool = True
    sample_rate: float = 1.0
    max_characters: int | None = None

    def __post_init__(self) -> None:
        rate, most = self.sample_rate, self.max_characters
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
            raise ValidationError(f"sample_rate must be a number from 0 to 1, not {rate!r}.")
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
            raise ValidationError(f"max_characters must be a whole number, 1 or more, or None, not {most!r}.")

    def of_inputs(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of inputs that are recorded."""
        return {name: cut(value, self.max_characters) for name, value in fields.items()} if self.inputs else {}

    def of_outputs(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of outputs that are recorded."""
        return {name: cut(value, self.max_characters) for name, value in fields.items()} if self.outputs else {}

    def is_sampled(self, run_id: UUID) -> bool:
        """Return whether a root run is recorded: the same for the same id, in every process."""
        if self.sample_rate in (0, 1):
            return self.sample_rate == 1
        # Hashed, because ids of some frameworks begin with the time.
        return int.from_bytes(blake2b(run_id.bytes, digest_size=8).digest()) / 2**64 < self.sample_rate


def cut(value: Any, most: int | None) -> Any:
    """Return plain data with longer texts cut off; None cuts nothing."""
    if most is None:
        return value
    if isinstance(value, str):
        return value if len(value) <= most else f"{value[:most]}… ({len(value)} characters)"
    if isinstance(value, Mapping):
        return {key: cut(item, most) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [cut(item, most) for item in value]
    return value


def content_of(content: Any) -> Any:
    """Return the content of a message: its text if it has nothing else, or its blocks, without binary data."""
    if not isinstance(content, list | tuple):
        return content
    texts = [_text_of(block) for block in content]
    if all(text is not None for text in texts):
        return "".join(text for text in texts if text is not None)
    return [_without_binary(block) for block in content]


def _text_of(block: Any) -> str | None:
    if isinstance(block, Mapping):
        block = block.get("text") if block.get("type") in ("text", None) else None
    return block if isinstance(block, str) else None


def _without_binary(value: Any, key: str = "") -> Any:
    if isinstance(value, Mapping):
        return {name: _without_binary(item, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_binary(item, key) for item in value]
    if isinstance(value, bytes) or (isinstance(value, str) and key in _BINARY and len(value) > _LONGEST_BINARY):
        return f"<{len(value)} {'bytes' if isinstance(value, bytes) else 'characters'}>"
    return value


def tool_call(name: Any, arguments: Any, call_id: Any = None) -> dict[str, Any]:
    """Return a tool call of a model, with its arguments as an object wherever they are one."""
    if isinstance(arguments, str):
        with suppress(ValueError):  # a model may write anything
            arguments = json.loads(arguments)
    identity = {} if call_id is None else {"id": str(call_id)}
    return {**identity, "type": "function", "name": str(name), "arguments": arguments}


def parameters_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters among the settings of a model; nothing else of them, because they may hold keys."""
    return {name: value for name, value in settings.items() if name in _PARAMETERS and value is not None}


def usage_of(usage: Any) -> dict[str, Any]:
    """Return counts of tokens as fields of a model call, whichever provider's names they have."""
    if not isinstance(usage, Mapping):
        usage = getattr(usage, "__dict__", {})
    if not usage:
        return {}
    found: dict[str, Any] = {}
    for name, known in (
        ("input_tokens", ("input_tokens", "prompt_tokens", "prompt_token_count", "prompt_eval_count")),
        ("output_tokens", ("output_tokens", "completion_tokens", "candidates_token_count", "eval_count")),
    ):
        counts = [usage[one] for one in known if isinstance(usage.get(one), int)]
        if counts:
            found[name] = counts[0]
    details = _details(usage, "input_token_details", "prompt_tokens_details", "input_tokens_details")
    cache = {
        "read_input_tokens": _first(
            details.get("cache_read"), details.get("cached_tokens"), usage.get("cache_read_input_tokens")
        ),
        "creation_input_tokens": _first(details.get("cache_creation"), usage.get("cache_creation_input_tokens")),
    }
    if cache := {name: count for name, count in cache.items() if count}:
        found["cache"] = cache
    details = _details(usage, "output_token_details", "completion_tokens_details", "output_tokens_details")
    if reasoning := _first(details.get("reasoning"), details.get("reasoning_tokens")):
        found["reasoning_tokens"] = reasoning
    return found


def _details(usage: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        details = usage.get(name)
        if isinstance(details, Mapping):
            return details
        if details is not None and hasattr(details, "__dict__"):
            return dict(vars(details))
    return {}


def _first(*counts: Any) -> int | None:
    return next((count for count in counts if isinstance(count, int) and not isinstance(count, bool)), None)


# Runs


_UNFINISHED = {"status": "unfinished"}


class Place(NamedTuple):
    """Where in a session something belongs.

    Attributes:
        event_id: Id of the event that it is a child of, or None.
        session_id: The session, or None for the current one.
        is_recorded: Whether the root is sampled.
        around: Id of the event that was the current one where the root began, or None.
    """

    event_id: str | None
    session_id: str | None
    is_recorded: bool
    around: str | None


@dataclass(slots=True)
class _Run:
    """A run that is open.

    Attributes:
        event: Its event, or None if it has none of its own.
        place: The place of runs inside of it.
        parent: Key of the run around it, or None.
        started: Nanoseconds since the epoch.
        children: Keys of the runs inside of it that are open.
        first_token: Seconds until the first token of a model, or None.
        fields: Further fields, recorded at its end.
        unwatch: Ends the watching of the task of a root run.
    """

    event: lai.OpenEvent | None
    place: Place
    parent: str | None
    started: int
    children: dict[str, None] = field(default_factory=dict)
    first_token: float | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    unwatch: Callable[[], object] | None = None


class Recorder:
    """The open runs of a handler. Everything is found by the framework's ids, never by what is ambient.

    Args:
        extent: How much is recorded.
        session_id: The session of all runs. Default: the current one where a root run starts.
    """

    def __init__(self, extent: Extent, session_id: str | None = None) -> None:
        self.extent = extent
        self._open = lai.start_event  # found here, so that a missing extra is an error for the one who makes a handler
        self._session_id = session_id
        self._runs: dict[str, _Run] = {}  # changed by single operations only, so that threads need no lock

    def __reduce__(self) -> tuple[type[Recorder], tuple[Extent, str | None]]:
        return Recorder, (self.extent, self._session_id)  # runs belong to the process in which they are open

    def __contains__(self, key: str) -> bool:
        return key in self._runs

    def start(
        self,
        key: str,
        parent: str | None,
        run_id: UUID,
        kind: str | None,
        *,
        known: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        within: Place | None = None,
    ) -> None:
        """Begin a run.

        Args:
            key: The framework's id of it.
            parent: The framework's id of the run around it.
            run_id: Id of its event.
            kind: Type of its event; None for a run that has none, whose children belong to the run around it.
            known: Fields that are recorded in any case.
            inputs: Fields that are recorded with the inputs.
            tags: Tags of the event.
            metadata: Metadata of the event.
            within: A place in a run that has ended, for a run without one around it.
        """
        around = self._runs.get(parent) if parent is not None else None
        above = within if around is None else around.place
        session_id = self._session_id if above is None else above.session_id
        is_recorded = self.extent.is_sampled(run_id) if above is None else above.is_recorded
        started = time.time_ns()
        event = None
        outer = lai.current_event_id(session_id) if above is None else above.around
        inner = outer if above is None or above.event_id is None else above.event_id
        if is_recorded and kind is not None:
            event = self._open(
                kind,
                event_id=str(run_id),
                session_id=session_id,
                parent_event_id=inner,
                started_at=started,
                tags=tags,
                metadata=cut(metadata, self.extent.max_characters),
                **(known or {}),
                **self.extent.of_inputs(inputs or {}),
            )
            session_id = event.session_id
        event_id = event.id if event is not None else None if above is None else above.event_id
        if key in self._runs or len(self._runs) >= MOST_OPEN:
            self.end(key if key in self._runs else next(iter(self._runs), key), known=_UNFINISHED)
        self._runs[key] = _Run(event, Place(event_id, session_id, is_recorded, outer), parent, started)
        if around is None:
            self._watch_task(key)
        else:
            around.children[key] = None

    def place(self, key: str) -> Place | None:
        """Return the place for what happens in a run after its end, or None if it is not open."""
        run = self._runs.get(key)
        return None if run is None else run.place

    def enclosing(self, key: str) -> lai.EnclosingRun | None:
        """Return the event in which something happens that the framework does not report, or None."""
        run = self._runs.get(key)
        if run is None or run.place.event_id is None:
            return None
        return lai.EnclosingRun(run.place.event_id, run.place.session_id, run.place.around)

    def _watch_task(self, key: str) -> None:
        """End a root run with its task: frameworks report no end when a task that awaits a model is cancelled."""
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no event loop here
            return
        if task is None:
            return

        def ended(done: asyncio.Task[Any]) -> None:
            if done.cancelled():
                self.end(key, error=asyncio.CancelledError())

        task.add_done_callback(ended)
        self._runs[key].unwatch = partial(task.remove_done_callback, ended)

    def first_token(self, key: str) -> None:
        """Note the time of a model's first token; later ones change nothing."""
        run = self._runs.get(key)
        if run is not None and run.first_token is None:
            run.first_token = round((time.time_ns() - run.started) / 1e9, 6)

    def add(
        self,
        key: str,
        *,
        known: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Add fields that are recorded at the end of a run, as for :meth:`start` and :meth:`end`."""
        run = self._runs.get(key)
        if run is not None and run.event is not None:
            run.fields |= known or {}
            run.fields |= self.extent.of_inputs(inputs or {})
            run.fields |= self.extent.of_outputs(outputs or {})

    def detach(self, key: str) -> None:
        """Keep a run open beyond the end of the run around it: its result is a stream that is read later."""
        run = self._runs.get(key)
        above = self._runs.get(run.parent) if run is not None and run.parent is not None else None
        if above is not None:
            above.children.pop(key, None)

    def note(self, key: str | None, name: str, details: Mapping[str, Any]) -> None:
        """Record something that happened in a run, such as a step of an agent elsewhere, with the tools it used."""
        run = self._runs.get(key) if key is not None else None
        if run is None or not run.place.is_recorded:
            return
        event_id, session_id = run.place.event_id, run.place.session_id
        shown = {one: value for one, value in details.items() if one != "tool_calls"}
        step = self._open(
            EventType.GENERIC,
            parent_event_id=event_id,
            session_id=session_id,
            name=name,
            **self.extent.of_outputs({"details": shown}),
        )
        for one in _tool_calls(details.get("tool_calls")):
            self._open(
                EventType.FUNCTION_CALL,
                parent_event_id=step.id,
                session_id=session_id,
                function_name=str(one.get("name") or "unknown"),
                **self.extent.of_outputs({"arguments": one.get("args"), "return_value": one.get("output_text")}),
            ).end()
        step.end()

    def end(
        self,
        key: str,
        *,
        known: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        error: BaseException | str | None = None,
    ) -> None:
        """End a run, and whatever is still open inside of it, because the framework reports no end of it.

        Args:
            key: The framework's id of it.
            known: Fields that are recorded in any case.
            outputs: Fields that are recorded with the outputs.
            error: What ended it.
        """
        run = self._runs.pop(key, None)
        if run is None:
            return
        if run.unwatch is not None:
            run.unwatch()
        above = self._runs.get(run.parent) if run.parent is not None else None
        if above is not None:
            above.children.pop(key, None)
        for child in list(run.children):
            self.end(child, error=error if isinstance(error, _CANCELLED) else None)
        if run.event is None:
            return
        fields = {**run.fields, **(known or {}), **self.extent.of_outputs(outputs or {})}
        if run.first_token is not None:
            fields["time_to_first_token"] = run.first_token
        if error is not None:
            fields |= self._failure(run.event, error)
        run.event.end(**fields)

    def _failure(self, event: lai.OpenEvent, error: BaseException | str) -> dict[str, Any]:
        is_cancelled = isinstance(error, _CANCELLED)
        if isinstance(error, Exception) and self.extent.outputs and not lai.is_recorded(error):
            # One event with the traceback, below the innermost run that it left.
            lai.create_error_event(error, parent_event_id=event.id, session_id=event.session_id)
        shown = error if self.extent.outputs else type(error).__name__ if isinstance(error, BaseException) else "error"
        return {"status": "cancelled" if is_cancelled else "error", "error": shown}

    def close(self) -> None:
        """Record all open runs as unfinished."""
        for key in list(self._runs):
            self.end(key, known=_UNFINISHED)


def _tool_calls(calls: Any) -> list[Mapping[str, Any]]:
    """Return the tool calls of a step: objects with ``name``, ``args`` and ``output_text``, or lines ``name(args)``."""
    if isinstance(calls, str):
        lines = [line.partition("(") for line in calls.splitlines()]
        return [{"name": name, "args": rest.removesuffix(")") or None} for name, _, rest in lines]
    return [call for call in calls if isinstance(call, Mapping)] if isinstance(calls, list | tuple) else []
