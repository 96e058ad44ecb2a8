from __future__ import annotations

import subprocess
import sys

import pytest

import lumnisai_integrations.llama_index as package


def _run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_public_names() -> None:
    """Every public name can be imported and is listed."""
    for name in package.__all__:
        assert getattr(package, name).__name__ == name
        assert name in dir(package)


def test_unknown_name() -> None:
    """Another name is an attribute error."""
    with pytest.raises(AttributeError, match="LumnisOracle"):
        package.LumnisOracle  # noqa: B018


@pytest.mark.processes
def test_import_is_lazy() -> None:
    """Importing the package does not import the framework, nor do errors need its core."""
    program = (
        "import sys, lumnisai_integrations.llama_index as package; package.StructuredOutputError; "
        "print('llama_index.core' in sys.modules)"
    )
    assert _run(program).strip() == "False"


@pytest.mark.processes
def test_missing_framework() -> None:
    """Without the framework the error says what to install."""
    program = """
import sys
sys.modules["llama_index"] = sys.modules["llama_index_instrumentation"] = None
for name in ("LumnisLLM", "LumnisProgressEvent"):
    try:
        exec(f"from lumnisai_integrations.llama_index import {name}")
    except ImportError as error:
        print(error)
"""
    lines = _run(program).splitlines()
    assert len(lines) == 2
    assert all('pip install "lumnisai-integrations[llama-index]"' in line for line in lines)
