"""Engines for ``lumnis serve --engine`` and ``--agent``: from scripts, modules and chat models."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from operator import attrgetter
from pathlib import Path

from lumnisai_core.local import Engine, OfflineEngine, ScriptedEngine
from lumnisai_integrations._commands import CommandError

_SCRIPTS = (".json", ".yaml", ".yml")
_MODELS = "langchain.chat_models"


class _NoSuchObject(Exception):
    """The module or attribute of a ``module:attribute`` does not exist."""


def engine_from(text: str, option: str = "--engine") -> Engine | str:
    """Return the engine for ``offline``, a file of scripts, ``module:attribute`` or ``provider:model``.

    The attribute is an engine, or a class or function that makes one without arguments; modules of the current folder
    are found, too. If it does not exist, and the part before the colon is a provider of LangChain's
    ``init_chat_model``, the engine is that chat model. Errors begin with the option.
    """
    if text == "offline":
        return text
    if text.lower().endswith(_SCRIPTS):
        return _scripted(Path(text), option)
    module, separator, attribute = text.partition(":")
    if not separator or not module or not attribute:
        raise CommandError(
            f"{option} {text}: use offline, a script file that ends in {', '.join(_SCRIPTS)}, module:attribute, or "
            "provider:model"
        )
    try:
        return _imported(f"{option} {text}", module, attribute)
    except _NoSuchObject as error:
        return _chat_model(f"{option} {text}", module, text, str(error))


def agents_from(named: Iterable[tuple[str, str]], step_delay: float) -> dict[str, Engine]:
    """Return the engines of specialized agents by name, from names and texts that :func:`engine_from` reads."""
    agents: dict[str, Engine] = {}
    for name, text in named:
        if name in agents:
            raise CommandError(f"--agent {name} is repeated")
        engine = engine_from(text, f"--agent {name}:")
        agents[name] = OfflineEngine(step_delay=step_delay) if isinstance(engine, str) else engine
    return agents


def _scripted(path: Path, option: str) -> Engine:
    try:
        return ScriptedEngine.from_file(path)
    except (ValueError, ImportError) as error:
        raise CommandError(f"{option} {error}") from error
    except OSError as error:
        raise CommandError(f"{option} {path}: {error.strerror or error}") from error


def _imported(what: str, module: str, attribute: str) -> Engine:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = attrgetter(attribute)(import_module(module))
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise CommandError(f"{what}: {module} needs the module {error.name}") from error
        raise _NoSuchObject(f"there is no module {error.name}") from error
    except AttributeError as error:
        raise _NoSuchObject(str(error)) from error
    except Exception as error:
        raise CommandError(f"{what}: {module} cannot be imported: {_described(error)}") from error
    if callable(found) and (isinstance(found, type) or not isinstance(found, Engine)):
        try:
            found = found()
        except Exception as error:
            raise CommandError(f"{what}: {attribute}() failed: {_described(error)}") from error
    if not isinstance(found, Engine):
        raise CommandError(f"{what} is not an engine but {type(found).__name__}: it has no method run")
    return found


def _chat_model(what: str, provider: str, model: str, no_object: str) -> Engine:
    """Return the chat model ``model`` as an engine; ``no_object`` says why it is not a ``module:attribute``."""
    try:
        make = import_module(_MODELS).init_chat_model
        known = getattr(import_module(f"{_MODELS}.base"), "_BUILTIN_PROVIDERS", None)
    except ImportError as error:
        raise CommandError(
            f"{what} is not module:attribute ({no_object}); if it is provider:model, install the package that makes "
            "chat models: pip install langchain"
        ) from error
    if known is not None and provider not in known:
        raise CommandError(
            f"{what} is neither module:attribute ({no_object}) nor provider:model (unknown provider {provider}). "
            f"Providers: {', '.join(sorted(known))}"
        )
    try:
        chat_model = make(model)
    except Exception as error:
        raise CommandError(f"{what}: the chat model cannot be made: {_described(error)}") from error
    from lumnisai_integrations.langchain import ChatModelEngine  # noqa: PLC0415 - only for a chat model

    return ChatModelEngine(chat_model)


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
