"""The rules of the house and the map of the code: who imports what, how long modules are, what the page shows."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest

from tests.house import PACKAGES, ROOT, modules, violations
from tests.mirror import FOLDERS

MAP = ROOT / "docs" / "code.md"

SOURCES = modules(PACKAGES)
TESTS = modules(["tests"])

MOST_LINES = 400

#: Longer modules, and why they are not divided.
LONGER: dict[str, str] = {
    "tests/local/official.py": "one program, which runs in a process of its own without the rest of the tests",
}

#: Module and what it does against the rules: why.
EXCEPTIONS: dict[tuple[str, str], str] = {}


def test_no_module_breaks_a_rule() -> None:
    """What is imported, from where, and what pure modules and adapters keep out of; see `tests/house.py`."""
    found = {(path, text) for path in SOURCES for text in violations(path, (ROOT / path).read_text("utf-8"))}
    broken = [f"{path} {text}" for path, text in sorted(found - EXCEPTIONS.keys())]
    assert not broken, "\n".join(broken)
    assert sorted(EXCEPTIONS.keys() - found) == [], "these exceptions are not needed any more"


BROKEN = [
    ("lumnisai_core/_transport/call.py", "import langchain_core", "imports langchain_core, which only"),
    ("lumnisai_core/_transport/call.py", "from lumnisai_integrations import cli", "imports lumnisai_integrations"),
    ("lumnisai_core/_transport/call.py", "from lumnisai_core import local", "imports lumnisai_core.local"),
    ("lumnisai_core/_transport/call.py", "def f():\n    import httpx", "imports httpx, which only"),
    ("lumnisai_core/_transport/call.py", "import numpy", "which has no place"),
    ("lumnisai_core/_transport/call.py", "from . import _retry", "without the name of its package"),
    ("lumnisai_core/local/lumnis/app.py", "import lumnisai_integrations.cli", "imports lumnisai_integrations"),
    ("lumnisai_integrations/langchain/x.py", "from lumnisai_core._transport.call import Call", "no public module"),
    ("lumnisai_integrations/langchain/x.py", "import lumnisai_core._transport.call", "no public module"),
    ("lumnisai_integrations/langchain/x.py", "from lumnisai_core import _call", "does not export it"),
    ("lumnisai_integrations/langchain/x.py", "from lumnisai_core.local.web.faults import Armed", "no public module"),
    ("lumnisai_integrations/langchain/x.py", "import llama_index.core", "imports llama_index.core, which only"),
    (
        "lumnisai_integrations/langchain/x.py",
        "from lumnisai_integrations import llama_index",
        "imports lumnisai_integrations.llama_index",
    ),
    (
        "lumnisai_integrations/llama_index/x.py",
        "if TYPE_CHECKING:\n    from lumnisai_integrations.langchain.chat import ChatLumnis",
        "imports lumnisai_integrations.langchain",
    ),
    ("lumnisai_integrations/_shared/x.py", "import_module('langchain_core.load')", "imports langchain_core.load"),
    ("lumnisai_integrations/_shared/x.py", "import lumnisai_integrations.langchain", "imports lumnisai_integrations."),
    ("lumnisai_integrations/_shared/x.py", "import rich.live", "imports rich.live, which only"),
    ("lumnisai_integrations/llama_index/x.py", "ROUTE = '/v1/responses'", "has a route of the API"),
    ("lumnisai_integrations/llama_index/x.py", "ROUTE = f'/v1/{x}'", "has a route of the API"),
    ("lumnisai_integrations/llama_index/x.py", "headers['Authorization'] = key", "has a header"),
    ("lumnisai_core/_transport/call.py", "", "has no docstring"),
]


@pytest.mark.parametrize(("path", "line", "broken"), BROKEN)
def test_a_module_that_breaks_a_rule_is_found(path: str, line: str, broken: str) -> None:
    """Each rule sees what it forbids, wherever in the module it is."""
    source = f"from __future__ import annotations\n{line}\n"
    assert any(broken in text for text in violations(path, source))


@pytest.mark.parametrize("module", ["time", "asyncio", "threading"])
def test_a_module_that_calls_itself_pure_is_pure(module: str) -> None:
    """A docstring that ends with the word is a promise."""
    source = f'"""Decisions. Pure."""\n\nfrom __future__ import annotations\n\nimport {module}\n'
    assert violations("lumnisai_core/_x.py", source) == [f"calls itself pure and imports {module}"]
    assert violations("lumnisai_core/_x.py", source.replace(" Pure.", "")) == []


def test_no_module_is_too_long() -> None:
    """A module past this is split by subject."""
    lengths = {path: (ROOT / path).read_text("utf-8").count("\n") for path in [*SOURCES, *TESTS]}
    long = {path for path, lines in lengths.items() if lines > MOST_LINES}
    broken = [f"{path} has {lengths[path]} lines" for path in sorted(long - LONGER.keys())]
    assert not broken, "\n".join(broken)
    assert sorted(LONGER.keys() - long) == [], "these exceptions are not needed any more"


def test_generated_files_name_their_source() -> None:
    """Whoever opens one is sent to the file to change."""
    for written, generated in FOLDERS.items():
        for path in modules([generated]):
            source = path.replace(generated, written, 1)
            assert (ROOT / source).is_file()
            head = (ROOT / path).read_text("utf-8").splitlines()[0]
            assert head == f"# Generated from {source} by `make sync`; edit that file."


def _shown() -> set[str]:
    """Give the paths that the map shows: what is code, and ends like a folder or a module."""
    return set(re.findall(r"`([\w./-]+(?:/|\.py))`", MAP.read_text("utf-8")))


def test_the_map_shows_every_folder() -> None:
    """A folder with modules is on the map, and so is every package."""
    folders = {f"{PurePosixPath(path).parent}/" for path in [*SOURCES, *TESTS]} - {"tests/"}
    assert sorted(folders - _shown()) == []


def test_the_map_shows_nothing_that_is_not_there() -> None:
    """A path on the map exists: from the root, or as the end of some module's or folder's path."""
    files = {*SOURCES, *TESTS}
    ends = {f"/{path}" for path in files} | {f"/{parent}/" for path in files for parent in PurePosixPath(path).parents}
    missing = [
        path
        for path in _shown()
        if not (ROOT / path).exists() and not any(known.endswith(f"/{path}") for known in ends)
    ]
    assert sorted(missing) == []
