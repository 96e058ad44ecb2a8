"""Files of experiments: YAML, TOML or JSON with variants, data, scorers and thresholds.

A file may name functions as ``module:attribute``. They are imported and called: run only files that you trust.
"""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any, Self

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations.experiments.datasets import Row, read_rows
from lumnisai_integrations.experiments.experiment import Experiment
from lumnisai_integrations.experiments.scorers import (
    Contains,
    Exact,
    FitsSchema,
    Judge,
    Matches,
    as_scorers,
)
from lumnisai_integrations.experiments.scoring import Scorer
from lumnisai_integrations.experiments.thresholds import Threshold
from lumnisai_integrations.experiments.variants import Variant, as_variant

#: Scorers by their names in files.
_SCORERS: dict[str, Callable[..., Scorer]] = {
    "exact": Exact,
    "contains": Contains,
    "matches": Matches,
    "fits_schema": FitsSchema,
    "judge": Judge,
}


class _Content(BaseModel):
    """What a file may hold."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = ""
    data: str | list[dict[str, Any] | str] | dict[str, Any]
    key: str | None = None
    expected: str = "expected"
    variants: dict[str, Any] = Field(min_length=1)
    scorers: list[str | dict[str, Any]] = []
    repeats: int = Field(1, ge=1)
    max_in_flight: int | None = Field(None, ge=1)
    ledger: str | None = None
    lucidic: bool = False
    seed: int = 0
    thresholds: list[dict[str, Any]] = []


@dataclass(frozen=True)
class ExperimentFile:
    """An experiment as a file describes it. Made by :meth:`read`.

    Attributes:
        path: The file.
        thresholds: What the results must reach.
        makes_runs: Whether a variant or a scorer makes runs of the agent platform, for which a client is needed.
        is_recorded: Whether the experiment is to be recorded in Lucidic, for which a client of Lucidic is needed.
    """

    path: Path
    thresholds: tuple[Threshold, ...]
    makes_runs: bool
    is_recorded: bool
    _settings: Mapping[str, Any] = field(repr=False)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file and check all that is in it.

        Args:
            path: A file ``.yaml``, ``.yml``, ``.toml`` or ``.json``. Paths in it are relative to its folder, and
                modules of that folder can be imported.

        Raises:
            ValidationError: Something in the file is wrong; the text says where.
            OSError: A file cannot be read.
            ImportError: A YAML file needs PyYAML.
        """
        file = Path(path)
        try:
            content = _Content.model_validate(_parsed(file))
        except pydantic.ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            raise ValidationError(f"{file}: {wrong}") from None
        folder = file.parent
        try:
            variants = {
                name: _at(f"variants.{name}", _variant, name, one, folder) for name, one in content.variants.items()
            }
            scorers = [_at(f"scorers.{place}", _scorer, one, folder) for place, one in enumerate(content.scorers)]
            settings = {
                "name": content.name or file.stem,
                "data": _at("data", _rows, content, folder),
                "variants": variants,
                "scorers": _at("scorers", as_scorers, scorers),
                "repeats": content.repeats,
                "seed": content.seed,
            }
            if content.max_in_flight is not None:
                settings["max_in_flight"] = content.max_in_flight
            if content.ledger is not None:
                settings["ledger"] = folder / content.ledger
            thresholds = tuple(
                _at(f"thresholds.{place}", _threshold, one, tuple(variants), settings["scorers"])
                for place, one in enumerate(content.thresholds)
            )
        except ValidationError as error:
            raise ValidationError(f"{file}: {error}") from error
        makes_runs = any(one.makes_runs for one in (*variants.values(), *settings["scorers"]))
        return cls(file, thresholds, makes_runs, content.lucidic, settings)

    def experiment(self, **changes: Any) -> Experiment:
        """Make the experiment.

        Args:
            **changes: Further arguments of :class:`Experiment`, such as ``client`` and ``lucidic``, and those that take
                precedence over the file, such as ``ledger``.

        Raises:
            ValidationError: An argument does not fit.
        """
        return Experiment(**{**self._settings, **changes})


def _parsed(file: Path) -> Any:
    kind = file.suffix.lower()
    if kind not in (".yaml", ".yml", ".toml", ".json"):
        raise ValidationError(f"{file}: a file of an experiment ends in .yaml, .yml, .toml or .json")
    try:
        text = file.read_text("utf-8-sig")
        if kind == ".toml":
            return tomllib.loads(text)
        return json.loads(text, object_pairs_hook=_unique) if kind == ".json" else _yaml(file, text)
    except ValueError as error:  # also of JSON, TOML and UTF-8
        raise ValidationError(f"{file} cannot be read: {error}") from error


def _unique(pairs: Sequence[tuple[Any, Any]]) -> dict[Any, Any]:
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"the name {twice!r} is repeated")
    return dict(pairs)


def _yaml(file: Path, text: str) -> Any:
    try:
        yaml = import_module("yaml")
    except ImportError as error:
        hint = f'{file}: YAML files need PyYAML: pip install "lumnisai-integrations[notebook]", or write TOML or JSON'
        raise ImportError(hint, name="yaml") from error

    class Loader(yaml.SafeLoader):  # type: ignore[name-defined,misc] # the package may not be installed
        """Refuses repeated names, of which the last one would win silently."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            _unique([(self.construct_object(name, deep=True), None) for name, _ in node.value if name.tag != _MERGE])
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(error) from error


_MERGE = "tag:yaml.org,2002:merge"


def _at(place: str, make: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """Call a function whose errors are about a place of the file."""
    try:
        return make(*arguments, **keywords)
    except ValidationError as error:
        raise ValidationError(f"{place}: {error}") from error


def _rows(content: _Content, folder: Path) -> tuple[Row, ...]:
    data: Any = content.data
    if isinstance(data, str):
        data = _file_in(folder, data)
    elif isinstance(data, dict):
        if list(data) != ["call"]:
            raise ValidationError(f"data is a path, a list of rows or call: module:function, got {', '.join(data)}")
        data = _imported(data["call"], folder)()
    return read_rows(data, key=content.key, expected=content.expected)


def _variant(name: str, value: Any, folder: Path) -> Variant:
    if not isinstance(value, Mapping):
        return as_variant(name, value)
    known = dict(value)
    if "prompt_file" in known:
        if "prompt" in known:
            raise ValidationError("only one of prompt and prompt_file may be set")
        known["prompt"] = _file_in(folder, known.pop("prompt_file")).read_text("utf-8-sig")
    if "call" not in known:
        return as_variant(name, known)
    if unknown := sorted(known.keys() - {"call", "input"}):
        raise ValidationError(f"a variant with call has only input beside it, got {', '.join(unknown)}")
    return Variant(_imported(known["call"], folder), input=known.get("input"))


def _scorer(value: str | Mapping[str, Any], folder: Path) -> Scorer:
    if isinstance(value, str):
        return _known_scorer(value)()
    if "call" in value:
        if unknown := sorted(value.keys() - {"call", "name"}):
            raise ValidationError(f"a scorer with call has only a name beside it, got {', '.join(unknown)}")
        [scorer] = as_scorers({value.get("name"): _imported(value["call"], folder)})
        return scorer
    if len(value) != 1:
        raise ValidationError(f"a scorer is a name, or a name with its arguments, got {', '.join(map(str, value))}")
    [(name, arguments)] = value.items()
    make = _known_scorer(name)
    known = dict(arguments) if isinstance(arguments, Mapping) else {}
    if isinstance(known.get("schema"), str):
        known["schema"] = _parsed(_file_in(folder, known["schema"]))
    positional = [] if arguments is None or isinstance(arguments, Mapping) else [arguments]
    try:
        return make(*positional, **known)
    except TypeError as error:
        raise ValidationError(f"{name}: {str(error).rpartition('() ')[2]}") from error


def _known_scorer(name: str) -> Callable[..., Scorer]:
    if name not in _SCORERS:
        raise ValidationError(f"there is no scorer {name!r}: use {', '.join(_SCORERS)}, or call: module:function")
    return _SCORERS[name]


def _threshold(value: Mapping[str, Any], variants: Sequence[str], scorers: Sequence[Scorer]) -> Threshold:
    try:
        threshold = Threshold(**value)
    except TypeError as error:
        raise ValidationError(str(error).rpartition("() ")[2]) from error
    for what, name, known in (
        ("variant", threshold.variant, variants),
        ("variant", threshold.baseline, variants),
        ("score", threshold.scorer, [one.name for one in scorers]),
    ):
        if name is not None and name not in known:
            raise ValidationError(f"there is no {what} {name!r}: {', '.join(map(repr, known)) or 'none'}")
    return threshold


def _file_in(folder: Path, name: object) -> Path:
    if not isinstance(name, str) or not name:
        raise ValidationError(f"the path of a file must be a non-empty string, got {name!r}")
    return folder / name


def _imported(name: object, folder: Path) -> Any:
    """Import ``module:attribute``; modules of the file's folder are found, too."""
    module, _, attribute = name.partition(":") if isinstance(name, str) else ("", "", "")
    if not module or not attribute:
        raise ValidationError(f"call must have the form module:attribute, got {name!r}")
    here = str(folder.resolve())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return attrgetter(attribute)(import_module(module))
    except Exception as error:
        raise ValidationError(f"{name} cannot be imported: {type(error).__name__}: {error}") from error
