"""Scripts from files: JSON, or YAML where PyYAML is installed. Every mistake is reported with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_YAML = (".yaml", ".yml")


def read_plain(path: Path) -> list[Any]:
    """Read the plain forms of the scripts in a file: one script, or a list of them.

    Raises:
        ValueError: the file is no JSON or YAML text, or holds no script; the message names file and place.
        ImportError: it is YAML and PyYAML is not installed.
        OSError: it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    data = _yaml(path, text) if path.suffix.lower() in _YAML else _json(path, text)
    if not isinstance(data, list | dict) or not data:
        raise ValueError(f"{path}: holds no script: write an object with steps and output_text, or a list of such")
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
