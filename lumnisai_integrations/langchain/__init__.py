"""Lumnis in LangChain: a chat model whose answers come from agent runs.

>>> from lumnisai_integrations.langchain import ChatLumnis
>>> model = ChatLumnis(user_id="user-123")          # LUMNISAI_API_KEY from the environment
>>> model.invoke("What is a neap tide?").content
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lumnisai_integrations.langchain.chat import ChatLumnis
    from lumnisai_integrations.langchain.errors import StructuredOutputError
    from lumnisai_integrations.langchain.progress import LumnisProgressHandler

__all__ = ["ChatLumnis", "LumnisProgressHandler", "StructuredOutputError"]

_HOMES = {
    "ChatLumnis": "chat",
    "LumnisProgressHandler": "progress",
    "StructuredOutputError": "errors",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value: object = getattr(import_module(f"{__name__}.{home}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "langchain_core":
            raise
        message = f'{__name__} needs langchain-core: pip install "lumnisai-integrations[langchain]"'
        raise ImportError(message, name=error.name) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
