"""The scripted engine: exact progress, delays and results for tests and demonstrations."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, ConfigDict, StrictBool, StrictFloat, StrictInt, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from lumnisai_core.local.engines.base import EngineError, RunReport, RunRequest, RunResult, ToolCall


def _code_and_message(error: Any) -> Any:
    return (error.get("code"), error.get("message")) if isinstance(error, Mapping) else error


CodeAndMessage = Annotated[tuple[str, str], BeforeValidator(_code_and_message)]


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
    after: StrictFloat = 0.0
    add_to: StrictInt | None = None
    reset: StrictBool = False

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    @classmethod
    def from_dict(cls, data: str | Mapping[str, Any]) -> Step:
        """Read a step from its plain form; a string is a step with that message.

        Raises:
            ValueError: a key is unknown, or a value has the wrong type.
        """
        step: Step = _read(_PlainStep, data, "Step")
        return step


def _as_step(data: Any) -> Any:
    return {"message": data} if isinstance(data, str) else data


_PlainStep = Annotated[Step, BeforeValidator(_as_step)]


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

    steps: Sequence[_PlainStep] = ()
    output_text: str | None = None
    structured_response: Any = None
    artifacts: Sequence[Mapping[str, Any]] = ()
    error: CodeAndMessage | None = None
    after: StrictFloat = 0.0
    title: str | None = None

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Script:
        """Read a script from its plain form, as found in a JSON file.

        Raises:
            ValueError: a key is unknown, or a value has the wrong type.
        """
        script: Script = _read(Script, data, "Script")
        return script


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
        self._scripts = [] if callable(script) else [script] if isinstance(script, Script) else list(script)
        if not self._choose and not self._scripts:
            raise ValueError("ScriptedEngine needs at least one script")

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read scripts from a file: one in its plain form, or a list of them, as JSON or (with PyYAML) as YAML.

        Raises:
            ValueError: the file holds no scripts; the message names the file and the place of the mistake.
            ImportError: it is a YAML file and PyYAML is not installed.
            OSError: it cannot be read.
        """
        plain = _from_file(Path(path))
        return cls(_read(list[Script] if isinstance(plain, list) else Script, plain, f"{path}: Script"))

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        """Play the script that is due for this run."""
        if self._choose:
            script = self._choose(request)
        else:
            script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        for step in script.steps:
            await asyncio.sleep(step.after)
            _play(step, report)
        if script.title is not None:
            report.title(script.title)
        await asyncio.sleep(script.after)
        if script.error is not None:
            raise EngineError(*script.error)
        return RunResult(script.output_text, script.structured_response, tuple(script.artifacts))


def _play(step: Step, report: RunReport) -> None:
    if step.reset:
        report.reset()
    calls = None if step.tool_calls is None else list(step.tool_calls)
    if step.add_to is not None:
        report.add_tool_calls(step.add_to, *(calls or ()))
    elif step.message or calls:
        report.progress(step.message, state=step.state, tool_calls=calls)


# Plain forms and files


def _read(kind: Any, data: Any, name: str) -> Any:
    """Check a plain form and make its objects; messages begin with the name and the place of the mistake."""
    try:
        return _adapter(kind).validate_python(data)
    except ValidationError as error:
        raise ValueError("; ".join(_problem(name, item) for item in error.errors())) from None


_adapter = cache(TypeAdapter)


def _problem(name: str, item: ErrorDetails) -> str:
    places = [name, *(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"])]
    if item["type"] in ("unexpected_keyword_argument", "invalid_key"):
        known = fields(Step if name == "Step" or ".steps" in places[:-1] else Script)
        key, listed = item["loc"][-1], ", ".join(field.name for field in known)
        return f"{''.join(places[:-1])} has no {key}; known keys: {listed}"
    return f"{''.join(places)} {item['msg'].replace('Input should be', 'must be')}, got {item['input']!r}"


def _from_file(path: Path) -> Any:
    """Read the plain form of one script, or a list of them."""
    is_yaml = path.suffix.lower() in (".yaml", ".yml")
    try:
        text = path.read_text(encoding="utf-8-sig")
        data = _yaml(path, text) if is_yaml else json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path} must be UTF-8 text with {'YAML' if is_yaml else 'JSON'}: {error}") from None
    if not isinstance(data, list | dict) or not data:
        raise ValueError(f"{path}: no script: write an object with steps and output_text, or a list of such objects")
    return data


def _yaml(path: Path, text: str) -> Any:
    try:
        import yaml  # type: ignore[import-untyped]  # noqa: PLC0415 - only for those who write YAML
    except ImportError as error:
        message = f"{path}: YAML files need PyYAML: pip install pyyaml, or write the script as JSON"
        raise ImportError(message, name="yaml") from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
