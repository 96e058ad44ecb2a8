"""Instrumentation of other libraries: whose calls are recorded, by which installed package."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from typing import Any

from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lucidic import export
from lumnisai_core.lucidic.delivery import logger
from lumnisai_core.lucidic.payloads import string_list

#: Entry points of instrumentors, and of handlers that need none: functions that record a whole framework.
_INSTRUMENTORS, _HANDLERS = "opentelemetry_instrumentor", "lumnisai_core.lucidic"

#: Packages that record a provider, the better one first.
_PACKAGES = {
    "anthropic": ("openinference-instrumentation-anthropic", "opentelemetry-instrumentation-anthropic"),
    "bedrock": ("openinference-instrumentation-bedrock", "opentelemetry-instrumentation-bedrock"),
    "cohere": ("opentelemetry-instrumentation-cohere",),
    "google": ("openinference-instrumentation-google-genai", "opentelemetry-instrumentation-google-generativeai"),
    "groq": ("openinference-instrumentation-groq", "opentelemetry-instrumentation-groq"),
    "litellm": ("openinference-instrumentation-litellm",),
    "mistralai": ("openinference-instrumentation-mistralai", "opentelemetry-instrumentation-mistralai"),
    "ollama": ("opentelemetry-instrumentation-ollama",),
    "openai": ("openinference-instrumentation-openai", "opentelemetry-instrumentation-openai"),
    "openai_agents": ("openinference-instrumentation-openai-agents", "opentelemetry-instrumentation-openai-agents"),
    "vertexai": ("openinference-instrumentation-vertexai", "opentelemetry-instrumentation-vertexai"),
}

#: Frameworks with a handler of our own, and what it needs.
_FRAMEWORKS = {
    "langchain": "lumnisai-integrations[langchain,lucidic]",
    "llama_index": "lumnisai-integrations[llama-index,lucidic]",
}

#: It needs no other package.
_PYDANTIC_AI = "pydantic_ai"

_ALIASES = {
    "amazon_bedrock": "bedrock",
    "aws_bedrock": "bedrock",
    "gemini": "google",
    "google_genai": "google",
    "google_generativeai": "google",
    "langgraph": "langchain",
    "llamaindex": "llama_index",
    "mistral": "mistralai",
    "vertex_ai": "vertexai",
}

_lock = threading.Lock()


def instrument(providers: Iterable[str]) -> list[str]:
    """Record the calls of other libraries into the session that is current where they happen.

    ``langchain`` and ``llama_index`` are recorded by the handlers of this package. Others need an instrumentor of
    OpenInference or OpenLLMetry; for one that is not installed, a warning names its package. Providers may be named
    again: each is instrumented once. The global tracer provider is neither used nor replaced.

    Args:
        providers: Names of libraries: ``anthropic``, ``bedrock``, ``cohere``, ``google``, ``groq``, ``langchain``,
            ``litellm``, ``llama_index``, ``mistralai``, ``ollama``, ``openai``, ``openai_agents``, ``pydantic_ai``,
            ``vertexai``.

    Returns:
        Those that are recorded now.

    Raises:
        ValidationError: There is no such provider.
    """
    named = [_known(name) for name in string_list("providers", providers) or ()]
    with _lock:
        return [name for name in dict.fromkeys(named) if _instrumented(name)]


def _known(name: str) -> str:
    plain = name.strip().lower().replace("-", "_")
    plain = _ALIASES.get(plain, plain)
    known = {*_PACKAGES, *_FRAMEWORKS, _PYDANTIC_AI}
    if plain not in known:
        raise ValidationError(f"providers: {name!r} is unknown; known: {', '.join(sorted(known))}.")
    return plain


def _instrumented(name: str) -> bool:
    try:
        if name in _FRAMEWORKS:
            return _with_handler(name)
        if name == _PYDANTIC_AI:
            return _with_pydantic_ai()
        return _with_instrumentor(name)
    except Exception:  # noqa: BLE001 - code of others must not stop a program that only wants to be observed
        logger.exception("Lucidic: calls of %s are not recorded", name)
        return False


def _with_handler(name: str) -> bool:
    for point in entry_points(group=_HANDLERS, name=name):
        try:
            record = point.load()
        except ImportError as error:
            logger.warning("Lucidic: %s is not recorded: %s. Run: pip install '%s'", name, error, _FRAMEWORKS[name])
            return False
        record()
        return True
    logger.warning("Lucidic: %s is not recorded. Run: pip install '%s'", name, _FRAMEWORKS[name])
    return False


def _with_pydantic_ai() -> bool:
    """Turn on the spans that this library makes by itself."""
    try:
        library = import_module("pydantic_ai")
    except ImportError:
        logger.warning("Lucidic: pydantic_ai is not recorded. Run: pip install pydantic-ai-slim")
        return False
    library.Agent.instrument_all(library.InstrumentationSettings(tracer_provider=export.tracer_provider()))
    return True


def _with_instrumentor(name: str) -> bool:
    found = next((point for package in _PACKAGES[name] if (point := _instrumentor_of(package)) is not None), None)
    if found is None:
        logger.warning("Lucidic: %s is not recorded. Run: pip install %s", name, " or ".join(_PACKAGES[name]))
        return False
    instrumentor: Any = found.load()()
    if not instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.instrument(tracer_provider=export.tracer_provider())
    return bool(instrumentor.is_instrumented_by_opentelemetry)


def _instrumentor_of(package: str) -> EntryPoint | None:
    try:
        points = distribution(package).entry_points
    except PackageNotFoundError:
        return None
    return next(iter(points.select(group=_INSTRUMENTORS)), None)
