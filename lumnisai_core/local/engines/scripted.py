"""The scripted engine: exact progress, delays and results for tests and demonstrations."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self, TypeVar

from lumnisai_core.local.engines.base import EngineError, RunReport, RunRequest, RunResult, ToolCall

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """One report of a scripted run.

    Args:
        message: text of a new progress entry; empty for none.
        state: state of the new entry.
        tool_calls: calls of the new entry, or the calls that the entry `add_to` gains.
        after: seconds to wait before this step.
        add_to: index of an older entry that gains `tool_calls`; there is no new entry then.
        reset: whether to delete all earlier entries first.
    """

    message: str = ""
    state: str = "processing"
    tool_calls: Sequence[ToolCall] | None = None
    after: float = 0.0
    add_to: int | None = None
    reset: bool = False

    @classmethod
    def from_dict(cls, data: str | Mapping[str, Any]) -> Step:
        """Read a step from its plain form; a string is a step with that message.

        Raises:
            ValueError: a key is unknown, or a value has the wrong type.
        """
        return cls(message=data) if isinstance(data, str) else cls(**_checked(cls, data))


@dataclass(frozen=True, slots=True)
class Script:
    """A whole run: its steps, then its result or its error.

    Args:
        steps: what is reported, in order.
        output_text: the final answer.
        structured_response: the structured answer; checked against the request's schema like any other.
        artifacts: inline artifacts of the finished run.
        error: `(code, message)` to fail the run instead.
        after: seconds to wait between the last step and the end.
        title: short title of the run.
    """

    steps: Sequence[Step] = ()
    output_text: str | None = None
    structured_response: Any = None
    artifacts: Sequence[Mapping[str, Any]] = ()
    error: tuple[str, str] | None = None
    after: float = 0.0
    title: str | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Script:
        """Read a script from its plain form, as found in a JSON file.

        Raises:
            ValueError: a key is unknown, or a value has the wrong type.
        """
        values = _checked(cls, data)
        steps: Any = values.get("steps", ())
        if not isinstance(steps, list | tuple):
            raise ValueError(f"Script.steps must be a list of steps, got {steps!r}")
        values["steps"] = tuple(_at(f"steps[{index}]", Step.from_dict, step) for index, step in enumerate(steps))
        if (error := values.get("error")) is not None:
            values["error"] = _code_and_message(error)
        return cls(**values)


class ScriptedEngine:
    """Plays scripts.

    Args:
        script: one script for every run; or several, one per run in order of arrival, the last one repeated; or a
            function from the request to a script.

    Raises:
        ValueError: there is no script.
    """

    def __init__(self, script: Script | Sequence[Script] | Callable[[RunRequest], Script]) -> None:
        self._choose = script if callable(script) else None
        self._scripts: list[Script] = []
        if not callable(script):
            self._scripts = [script] if isinstance(script, Script) else list(script)
            if not self._scripts:
                raise ValueError("ScriptedEngine needs at least one script")
        self._played = 0

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read scripts from a file: one in its plain form, or a list of them, as JSON or (with PyYAML) as YAML.

        Raises:
            ValueError: the file holds no scripts; the message names the file and the place of the mistake.
            ImportError: it is a YAML file and PyYAML is not installed.
            OSError: it cannot be read.
        """
        plain = _plain_scripts(Path(path))
        if len(plain) == 1:
            return cls(_at(str(path), Script.from_dict, plain[0]))
        return cls([_at(f"{path}: [{index}]", Script.from_dict, item) for index, item in enumerate(plain)])

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        """Play the script that is due for this run."""
        script = self._choose(request) if self._choose else self._next()
        for step in script.steps:
            await _pause(step.after)
            _play(step, report)
        if script.title is not None:
            report.title(script.title)
        await _pause(script.after)
        if script.error is not None:
            raise EngineError(*script.error)
        return RunResult(script.output_text, script.structured_response, tuple(script.artifacts))

    def _next(self) -> Script:
        script = self._scripts[min(self._played, len(self._scripts) - 1)]
        self._played += 1
        return script


async def _pause(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)


def _play(step: Step, report: RunReport) -> None:
    if step.reset:
        report.reset()
    calls = None if step.tool_calls is None else list(step.tool_calls)
    if step.add_to is not None:
        report.add_tool_calls(step.add_to, *(calls or ()))
    elif step.message or calls:
        report.progress(step.message, state=step.state, tool_calls=calls)


# Plain forms and files

_OBJECTS = "a list of objects"
#: Types of the values in plain forms, and their names in messages.
_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "message": ((str,), "a string"),
    "state": ((str,), "a string"),
    "tool_calls": ((list, tuple, type(None)), _OBJECTS),
    "after": ((int, float), "a number of seconds"),
    "add_to": ((int, type(None)), "the index of an entry"),
    "reset": ((bool,), "true or false"),
    "output_text": ((str, type(None)), "a string"),
    "artifacts": ((list, tuple), _OBJECTS),
    "title": ((str, type(None)), "a string"),
}


def _checked(cls: type[Any], data: Any) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        raise ValueError(f"{cls.__name__} must be an object, got {data!r}")
    names = [item.name for item in fields(cls)]
    if unknown := sorted(set(data) - set(names), key=str):
        raise ValueError(f"{cls.__name__} has no {', '.join(map(str, unknown))}; known keys: {', '.join(names)}")
    for name, value in data.items():
        types, form = _TYPES.get(name, ((object,), ""))
        fits = isinstance(value, types) and (not isinstance(value, bool) or bool in types or object in types)
        if not fits or (form == _OBJECTS and not all(isinstance(item, Mapping) for item in value or ())):
            raise ValueError(f"{cls.__name__}.{name} must be {form}, got {value!r}")
    return dict(data)


def _at(place: str, read: Callable[[Any], T], data: Any) -> T:
    """Read a part; an error message begins with its place."""
    try:
        return read(data)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _code_and_message(error: Any) -> tuple[str, str]:
    if isinstance(error, Mapping):
        error = (error.get("code"), error.get("message"))
    code, message = error if isinstance(error, list | tuple) and len(error) == 2 else (None, None)
    if not isinstance(code, str) or not isinstance(message, str):
        raise ValueError(f"Script.error must be [code, message] or {{code, message}}, got {error!r}")
    return code, message


def _plain_scripts(path: Path) -> list[Any]:
    """Read the plain forms of the scripts in a file: one script, or a list of them."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    data = _yaml(path, text) if path.suffix.lower() in (".yaml", ".yml") else _json(path, text)
    if not isinstance(data, list | dict) or not data:
        raise ValueError(f"{path}: no script: write an object with steps and output_text, or a list of such objects")
    return data if isinstance(data, list) else [data]


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: line {error.lineno}, column {error.colno}: {error.msg}") from None


def _yaml(path: Path, text: str) -> Any:
    try:
        import yaml  # type: ignore[import-untyped]  # noqa: PLC0415 - only for those who write YAML
    except ImportError as error:
        message = f"{path}: YAML files need PyYAML: pip install pyyaml, or write the script as JSON"
        raise ImportError(message, name="yaml") from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}, column {mark.column + 1}:" if mark else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ValueError(f"{path}:{place} {reason}") from None
