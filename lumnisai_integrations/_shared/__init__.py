"""Adapter logic that both frameworks share, framework-free; here, the lazy imports of their front doors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_names(package: str, homes: Mapping[str, str], *, extra: str) -> Callable[[str], object]:
    """Return the ``__getattr__`` of a package whose names live in modules that need a framework; set its ``__dir__``.

    Names load on first use, because the frameworks take a second to import.
    If modules of the framework are missing, the error names the extra that brings it, which has the framework's name.
    """

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            value: object = getattr(import_module(homes[name]), name)
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith(extra.replace("-", "_")):
                raise
            message = f'{package}.{name} needs {extra}-core: pip install "lumnisai-integrations[{extra}]"'
            raise ImportError(message, name=error.name) from error
        setattr(module, name, value)
        return value

    module = sys.modules[package]
    module.__dict__["__dir__"] = lambda: sorted({*vars(module), *homes})
    return get
