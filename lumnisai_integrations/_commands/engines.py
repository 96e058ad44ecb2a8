"""The engine that ``lumnis serve --engine`` names."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from lumnisai_core.local import Engine, ScriptedEngine
from lumnisai_integrations._commands.errors import CommandError

_SCRIPTS = (".json", ".yaml", ".yml")


def engine_from(text: str) -> Engine | str:
    """Return the engine for ``offline``, a file of scripts, or ``module:attribute``.

    Args:
        text: What the user wrote. The attribute is an engine, or a class or function that makes one without arguments;
            modules of the current folder are found too.

    Raises:
        CommandError: There is no such engine; the text says what is wrong and where.
    """
    if text == "offline":
        return text
    if text.lower().endswith(_SCRIPTS):
        return _scripted(Path(text))
    module, separator, attribute = text.partition(":")
    if not separator or not module or not attribute:
        raise CommandError(
            f"--engine {text}: use offline, a script file that ends in {', '.join(_SCRIPTS)}, or module:attribute"
        )
    return _imported(text, module, attribute)


def _scripted(path: Path) -> Engine:
    try:
        return ScriptedEngine.from_file(path)
    except (ValueError, ImportError) as error:
        raise CommandError(f"--engine {error}") from error
    except OSError as error:
        raise CommandError(f"--engine {path}: {error.strerror or error}") from error


def _imported(text: str, module: str, attribute: str) -> Engine:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: object = import_module(module)
        for name in attribute.split("."):
            found = getattr(found, name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise CommandError(f"--engine {text}: {module} needs the module {error.name}") from error
        raise CommandError(f"--engine {text}: there is no module {error.name}") from error
    except AttributeError as error:
        raise CommandError(f"--engine {text}: {error}") from error
    except Exception as error:
        raise CommandError(f"--engine {text}: {module} cannot be imported: {_told(error)}") from error
    engine = found
    if callable(found) and (isinstance(found, type) or not isinstance(found, Engine)):
        try:
            engine = found()
        except Exception as error:
            raise CommandError(f"--engine {text}: {attribute}() failed: {_told(error)}") from error
    if not isinstance(engine, Engine):
        raise CommandError(f"--engine {text} is {type(engine).__name__}, which is no engine: it has no method run")
    return engine


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
