"""Registration of Lumnis as a provider of ``init_chat_model``."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Any

from langchain_core.language_models import BaseChatModel

PROVIDER = "lumnis"


def register() -> None:
    """Make ``init_chat_model("lumnis:openai:gpt-4o", user_id=...)`` return a :class:`ChatLumnis`.

    The model comes after ``lumnis:``; an empty one (``"lumnis:"``) leaves the choice to the platform. It also works
    with ``model_provider="lumnis"``, with configurable models, and wherever LangChain takes the name of a model, such
    as ``create_agent``. Calling it again changes nothing.

    Raises:
        ImportError: The package ``langchain`` is not installed; ``langchain-core`` alone has no ``init_chat_model``.
        RuntimeError: This version of ``langchain`` keeps its providers differently, or has another ``lumnis``.
    """
    entry = ("lumnisai_integrations.langchain", "ChatLumnis", _make_model)
    registered = _providers().setdefault(PROVIDER, entry)
    if registered != entry:
        raise RuntimeError(f"langchain already has another provider {PROVIDER!r}: {registered!r}.")


def _make_model(cls: type[BaseChatModel], *, model: str | None = None, **fields: Any) -> BaseChatModel:
    return cls(model=model or None, **fields)


def _providers() -> dict[str, Any]:
    try:
        import_module("langchain")
    except ModuleNotFoundError as error:
        if error.name != "langchain":
            raise
        raise ImportError("register() needs langchain for init_chat_model: pip install langchain") from error
    home = getattr(import_module("langchain.chat_models"), "base", None)
    providers = getattr(home, "_BUILTIN_PROVIDERS", None)
    # There is no public way to add a provider; other versions have another table, or none.
    if not isinstance(providers, dict) or not all(_is_entry(entry) for entry in providers.values()):
        raise RuntimeError(
            f"langchain {version('langchain')} keeps the providers of init_chat_model in a way that register() "
            "does not support: make the model with ChatLumnis(model=...) instead."
        )
    return providers


def _is_entry(entry: object) -> bool:
    return isinstance(entry, tuple) and len(entry) == 3 and callable(entry[2])
