"""Importing the package."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lumnisai_integrations.langchain as front


def test_the_front_door_is_complete() -> None:
    """Every public name can be imported, is listed, and others are no attributes."""
    assert front.__all__ == [
        "ChatLiminal",
        "ChatLumi",
        "ChatLumnis",
        "ChatModelEngine",
        "LiminalGuard",
        "LucidicCallbackHandler",
        "LumiChatMessageHistory",
        "LumiEntityLoader",
        "LumiFunction",
        "LumiToolkit",
        "LumnisChatMessageHistory",
        "LumnisFilesLoader",
        "LumnisFilesRetriever",
        "LumnisProgressHandler",
        "LumnisRunnable",
        "LumnisTool",
        "StructuredOutputError",
        "register",
    ]
    assert set(front.__all__) <= set(dir(front))
    assert [name for name in front.__all__ if not isinstance(getattr(front, name), type)] == ["register"]
    with pytest.raises(AttributeError, match="Nothing"):
        front.Nothing  # noqa: B018


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.processes
def test_a_missing_framework_is_named() -> None:
    """Without langchain-core the import says what to install; the package alone imports nothing."""
    code = """
import sys
sys.modules["langchain_core"] = None
import lumnisai_integrations.langchain
try:
    from lumnisai_integrations.langchain import ChatLumnis
except ImportError as error:
    print(error)
"""
    assert 'pip install "lumnisai-integrations[langchain]"' in run_python(code)


@pytest.mark.processes
def test_importing_is_lazy() -> None:
    """The package alone loads neither the framework nor the core."""
    code = "import sys, lumnisai_integrations.langchain; print('langchain_core' in sys.modules, 'httpx' in sys.modules)"
    assert run_python(code).split() == ["False", "False"]
