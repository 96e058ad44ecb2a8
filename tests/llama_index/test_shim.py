"""The LLM under the name where LlamaIndex has its LLMs, next to the framework's own packages."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from llama_index.llms import lumnis

from lumnisai_integrations.llama_index import LumnisLLM

ROOT = Path(__file__).resolve().parents[2]


def _run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_it_is_the_same_class() -> None:
    """There are not two of them, so that ``isinstance`` holds."""
    assert lumnis.LumnisLLM is LumnisLLM
    assert lumnis.__all__ == ["LumnisLLM"]
    assert "LumnisLLM" in dir(lumnis)
    with pytest.raises(AttributeError, match="LumnisOracle"):
        lumnis.LumnisOracle  # noqa: B018


@pytest.mark.processes
@pytest.mark.parametrize("first", ["lumnis", "other"])
def test_it_lives_with_others(tmp_path: Path, first: str) -> None:
    """In any order of imports it hides neither the framework nor the LLMs of other distributions."""
    other = tmp_path / "llama_index" / "llms" / "other"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("class OtherLLM: pass", "utf-8")
    program = f"""
import sys
sys.path.append({str(tmp_path)!r})
import llama_index.llms.{first}
from llama_index.llms.other import OtherLLM
from llama_index.llms.lumnis import LumnisLLM
import llama_index, llama_index.core
print(llama_index.core.__version__, llama_index.__file__, llama_index.llms.__file__)
"""
    version, *files = _run(program).split()
    assert version.startswith("0.")
    assert files == ["None", "None"]


@pytest.mark.processes
def test_it_is_lazy() -> None:
    """Importing the module imports no framework, and without one the error says what to install."""
    program = """
import sys
import llama_index.llms.lumnis
print("llama_index.core" in sys.modules)
sys.modules["llama_index.core"] = None
try:
    from llama_index.llms.lumnis import LumnisLLM
except ImportError as error:
    print(error)
"""
    is_loaded, message = _run(program).splitlines()
    assert is_loaded == "False"
    assert 'pip install "lumnisai-integrations[llama-index]"' in message


def test_the_namespace_has_no_init() -> None:
    """A file there would hide the framework."""
    assert [path.name for path in (ROOT / "llama_index").glob("*")] == ["llms"]
    assert [path.name for path in (ROOT / "llama_index/llms").glob("*")] == ["lumnis"]


def test_the_distribution_says_so() -> None:
    """The package ships it, and the hub's settings name it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    assert "llama_index" in settings["hatch"]["build"]["targets"]["wheel"]["packages"]
    hub = settings["llamahub"]
    assert (hub["import_path"], list(hub["class_authors"])) == (lumnis.__name__, lumnis.__all__)
