"""Rules of the house and the map of the code: who may import whom, what a file is, what the page shows."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest

from tests.house import FLOORS, PACKAGES, ROOT, circles, climbs, edges, floor_of, modules, violations
from tests.mirror import FOLDERS

MAP = ROOT / "docs" / "code.md"

SOURCES = {path: (ROOT / path).read_text("utf-8") for path in modules(PACKAGES)}
TESTS = modules(["tests"])

#: A file is a subject: shorter ones are usually folded into their only caller, longer ones are usually two subjects.
FEWEST_LINES, MOST_LINES = 60, 500

#: Shorter modules, and why they have a file of their own.
SHORTER: dict[str, str] = {
    **dict.fromkeys(
        [
            "lumnisai_core/_pyinstaller/hook-lumnisai_core.local.py",
            "lumnisai_core/_pyinstaller/hook-lumnisai_core.py",
            "lumnisai_core/_pyinstaller/hook-lumnisai_integrations.langchain.py",
            "lumnisai_core/_pyinstaller/hook-lumnisai_integrations.llama_index.py",
        ],
        "PyInstaller looks for a hook for each package by its name",
    ),
    "lumnisai_core/_transport/_async/resource.py": "base of the resources of all platforms",
    "lumnisai_core/_transport/forks.py": "what a forked child must not share, for pools and logins",
    "lumnisai_core/_version.py": "read by the build",
    "lumnisai_core/local/lumnis/routes/faults.py": "one resource, one file",
    "lumnisai_core/local/web/ids.py": "ids and times, for all of the service",
    "lumnisai_core/lucidic/errors.py": "the module where the product has its errors",
    "lumnisai_core/lumnis/_async/resources/tenant.py": "one resource, one file",
    "lumnisai_core/lumnis/calls/model_preferences.py": "one resource, one file",
    "lumnisai_core/lumnis/models/tenant.py": "one resource, one file",
    "lumnisai_core/lumnis/models/threads.py": "one resource, one file",
    "lumnisai_core/lumnis/models/users.py": "one resource, one file",
    "lumnisai_core/models.py": "a second front door to the models",
    "lumnisai_integrations/_commands/completion.py": "one command, one file",
    "lumnisai_integrations/_shared/locks.py": "the one lock of a process",
    "lumnisai_integrations/experiments/plain.py": "values as JSON has them, for questions, fingerprints and ledgers",
    "lumnisai_integrations/pytest_plugin.py": "named in the package's entry points",
}

#: Longer modules, and why they are not divided.
LONGER: dict[str, str] = {}

#: Module and the rule that it breaks: why.
EXCEPTIONS: dict[tuple[str, str], str] = {}


def test_no_module_breaks_a_rule() -> None:
    """What is imported, from where, and what pure modules, adapters and the transport keep out; see tests/house.py."""
    found = {(path, text) for path, source in SOURCES.items() for text in violations(path, source)}
    broken = [f"{path} {text}" for path, text in sorted(found - EXCEPTIONS.keys())]
    assert not broken, "\n".join(broken)
    assert sorted(EXCEPTIONS.keys() - found) == [], "these exceptions are not needed any more"


def test_no_import_is_circular() -> None:
    """Imports in function bodies and for type checkers count too."""
    found = circles(edges(SOURCES))
    assert not found, "\n".join(" <-> ".join(circle) for circle in found)


def test_no_import_climbs() -> None:
    """Imports run one way: from a room to the floors below it."""
    found = climbs(edges(SOURCES))
    assert not found, "\n".join(found)


def test_every_room_is_there() -> None:
    """Every module has a room, and every room of a platform that has been built holds modules."""
    rooms = {floor_of(path)[1] for path in SOURCES}
    named = {room for rooms_of_floor in FLOORS for room in rooms_of_floor if (ROOT / room).exists()}
    assert sorted(named - rooms) == []


BROKEN = [
    ("lumnisai_core/_transport/call.py", "import langchain_core", "imports langchain_core, which only"),
    ("lumnisai_core/_transport/call.py", "def f():\n    import httpx", "imports httpx, which only"),
    ("lumnisai_core/_transport/call.py", "import numpy", "which has no place"),
    ("lumnisai_core/_transport/call.py", "from . import retry", "without the name of its package"),
    ("lumnisai_core/_transport/call.py", "ROUTE = '/v1/responses'", "knows a platform"),
    ("lumnisai_core/_transport/call.py", "KEY = 'LUMNIS_KEY'", "knows a platform"),
    ("lumnisai_core/_transport/call.py", "class LumiCall: ...", "knows a platform"),
    ("lumnisai_core/_transport/call.py", "", "has no docstring"),
    ("lumnisai_integrations/langchain/x.py", "from lumnisai_core._transport.call import Call", "not a public module"),
    ("lumnisai_integrations/langchain/x.py", "import lumnisai_core._transport.call", "not a public module"),
    ("lumnisai_integrations/langchain/x.py", "from lumnisai_core import _transport", "does not export it"),
    ("lumnisai_integrations/langchain/x.py", "from lumnisai_core.local.web import faults", "not a public module"),
    ("lumnisai_integrations/langchain/x.py", "import llama_index.core", "imports llama_index.core, which only"),
    ("lumnisai_integrations/_shared/x.py", "import_module('langchain_core.load')", "imports langchain_core.load"),
    ("lumnisai_integrations/_shared/x.py", "import rich.live", "imports rich.live, which only"),
    ("lumnisai_integrations/llama_index/x.py", "ROUTE = '/v1/responses'", "has a route of the API"),
    ("lumnisai_integrations/llama_index/x.py", "ROUTE = f'/v1/{x}'", "has a route of the API"),
    ("lumnisai_integrations/llama_index/x.py", "headers['Authorization'] = key", "has a header"),
]


@pytest.mark.parametrize(("path", "line", "broken"), BROKEN)
def test_a_module_that_breaks_a_rule_is_found(path: str, line: str, broken: str) -> None:
    """Each rule sees what it forbids, wherever in the module it is."""
    source = f"from __future__ import annotations\n{line}\n"
    assert any(broken in text for text in violations(path, source))


#: An importing module, a line of it, and the module that it must not import.
CLIMBING = [
    ("lumnisai_core/_transport/x.py", "from lumnisai_core.lumnis.y import Z", "lumnisai_core/lumnis/y.py"),
    (
        "lumnisai_core/exceptions.py",
        "if TYPE_CHECKING:\n    import lumnisai_core.lumnis.y",
        "lumnisai_core/lumnis/y.py",
    ),
    ("lumnisai_core/lumnis/x.py", "def f():\n    import lumnisai_core.local.y", "lumnisai_core/local/y.py"),
    ("lumnisai_core/lumnis/x.py", "import lumnisai_core.lumi.y", "lumnisai_core/lumi/y.py"),
    ("lumnisai_core/local/web/x.py", "import lumnisai_core.local.lumnis.y", "lumnisai_core/local/lumnis/y.py"),
    ("lumnisai_core/local/lumnis/x.py", "import lumnisai_core.lumnis.y", "lumnisai_core/lumnis/y.py"),
    ("lumnisai_core/local/x.py", "import_module('lumnisai_core._transport.y')", "lumnisai_core/_transport/y.py"),
    (
        "lumnisai_integrations/_shared/x.py",
        "import lumnisai_integrations.langchain.y",
        "lumnisai_integrations/langchain/y.py",
    ),
    (
        "lumnisai_integrations/llama_index/x.py",
        "from lumnisai_integrations.langchain import y",
        "lumnisai_integrations/langchain/y.py",
    ),
    (
        "lumnisai_integrations/langchain/lumi/x.py",
        "import lumnisai_integrations.langchain.liminal.y",
        "lumnisai_integrations/langchain/liminal/y.py",
    ),
    (
        "lumnisai_integrations/langchain/x.py",
        "from lumnisai_integrations import cli",
        "lumnisai_integrations/cli.py",
    ),
]


@pytest.mark.parametrize(("path", "line", "target"), CLIMBING)
def test_an_import_that_climbs_is_found(path: str, line: str, target: str) -> None:
    """In a function body, for type checkers or by name, in whatever form."""
    sources = {path: f'"""X."""\n\nfrom __future__ import annotations\n\n{line}\n', target: '"""Y."""\n'}
    assert climbs(edges(sources)) == [f"{path} imports {target}"]


def test_a_circle_is_found() -> None:
    """Also one over several modules, some of whose imports are hidden in functions."""
    sources = {
        "a/b.py": "import a.c",
        "a/c.py": "def f():\n    from a import d",
        "a/d.py": "if TYPE_CHECKING:\n    from a.b import B",
        "a/e.py": "import a.b",
    }
    assert circles(edges(sources)) == [["a/b.py", "a/c.py", "a/d.py"]]


@pytest.mark.parametrize("module", ["time", "asyncio", "threading"])
def test_a_module_that_calls_itself_pure_is_pure(module: str) -> None:
    """A docstring that ends with the word is a promise."""
    source = f'"""Decisions. Pure."""\n\nfrom __future__ import annotations\n\nimport {module}\n'
    assert violations("lumnisai_core/lumnis/x.py", source) == [f"calls itself pure and imports {module}"]
    assert violations("lumnisai_core/lumnis/x.py", source.replace(" Pure.", "")) == []


def test_a_file_is_a_subject() -> None:
    """Very short and very long modules are listed with the reason why they are as they are."""
    lines = {path: source.count("\n") for path, source in SOURCES.items() if "/_sync/" not in path}
    lines |= {path: (ROOT / path).read_text("utf-8").count("\n") for path in TESTS if "/_sync/" not in path}
    package = {path for path in lines if path in SOURCES and not path.endswith("__init__.py")}
    short = {path for path in package if lines[path] < FEWEST_LINES}
    long = {path for path in lines if lines[path] > MOST_LINES}
    unlisted = sorted([*(short - SHORTER.keys()), *(long - LONGER.keys())])
    assert not unlisted, "\n".join(f"{path} has {lines[path]} lines" for path in unlisted)
    assert sorted([*(SHORTER.keys() - short), *(LONGER.keys() - long)]) == [], "these are not needed any more"


def test_generated_files_name_their_source() -> None:
    """Whoever opens one is sent to the file to change."""
    for written, generated in FOLDERS.items():
        for path in modules([generated]):
            source = path.replace(generated, written, 1)
            assert (ROOT / source).is_file()
            head = (ROOT / path).read_text("utf-8").splitlines()[0]
            assert head == f"# Generated from {source} by `make sync`; edit that file."


def _shown() -> set[str]:
    """Return the paths that the map shows: code spans that end like a folder or a module."""
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
