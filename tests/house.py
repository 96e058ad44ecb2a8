"""What the modules of this repository import, and which rules of the house that breaks. Pure, but for reading files."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent

#: What is built into the distribution.
PACKAGES = ("lumnisai_core", "lumnisai_integrations", "llama_index")

#: Where the adapters may import from in the core, and only names that these export.
PUBLIC = (
    "lumnisai_core",
    "lumnisai_core.exceptions",
    "lumnisai_core.local",
    "lumnisai_core.lumnis.models",
    "lumnisai_core.display",  # imported only where something is displayed
)

#: The command line shows both frameworks, and its extra brings them.
_LANGCHAIN = ("lumnisai_integrations/langchain", "lumnisai_integrations/_commands")
_LLAMA_INDEX = ("lumnisai_integrations/llama_index", "lumnisai_integrations/_commands")

#: Where each package of others may be imported: a folder and all below it, or a file.
PLACES = {
    "IPython": ("lumnisai_integrations/_shared/display/notebook.py", "lumnisai_integrations/notebook.py"),
    "aiohttp": ("lumnisai_core/_transport/pool_aiohttp.py",),
    "httpx": ("lumnisai_core/_transport/pool.py", "lumnisai_core/_transport/pool_aiohttp.py"),
    "httpx_aiohttp": ("lumnisai_core/_transport/pool_aiohttp.py",),
    "jsonschema_rs": ("lumnisai_core/local",),
    "langchain": _LANGCHAIN,
    "langchain_core": _LANGCHAIN,
    "langchain_protocol": _LANGCHAIN,
    "llama_index": _LLAMA_INDEX,
    "llama_index_instrumentation": _LLAMA_INDEX,
    "pydantic": ("lumnisai_core", "lumnisai_integrations"),
    "pydantic_core": ("lumnisai_core", "lumnisai_integrations"),
    "pytest": ("lumnisai_integrations/pytest_plugin.py",),
    "python_multipart": ("lumnisai_core/local",),
    "rich": ("lumnisai_integrations/_commands", "lumnisai_integrations/_shared/display/terminal.py"),
    "starlette": ("lumnisai_core/local",),
    "typing_extensions": ("lumnisai_core", "lumnisai_integrations"),  # pydantic brings it
    "uvicorn": ("lumnisai_core/local",),
    "workflows": _LLAMA_INDEX,
    "yaml": ("lumnisai_core/local",),
}

#: Folders, and what of ours their modules may not import. The first line that fits a module counts.
_BARRED = (
    ("lumnisai_core/local", ("lumnisai_integrations",)),
    ("lumnisai_core", ("lumnisai_core.local", "lumnisai_integrations")),
    (
        "lumnisai_integrations/_shared",
        ("lumnisai_integrations.langchain", "lumnisai_integrations.llama_index", "lumnisai_integrations._commands"),
    ),
    ("lumnisai_integrations/langchain", ("lumnisai_integrations.llama_index", "lumnisai_integrations._commands")),
    ("lumnisai_integrations/llama_index", ("lumnisai_integrations.langchain", "lumnisai_integrations._commands")),
    ("llama_index", ("lumnisai_integrations.langchain", "lumnisai_integrations._commands", "lumnisai_core")),
)

#: Modules that a pure module has no use for.
_IMPURE = frozenset(
    {"asyncio", "httpx", "random", "socket", "sqlite3", "subprocess", "threading", "time", "urllib.request"}
)


@dataclass(frozen=True, slots=True)
class Import:
    """One import of a module.

    Attributes:
        module: What is imported, or imported from.
        names: The names that are taken from it.
        typing_only: Whether only type checkers see it.
    """

    module: str
    names: tuple[str, ...] = ()
    typing_only: bool = False

    @property
    def package(self) -> str:
        """The first part of the module's name."""
        return self.module.split(".")[0]


def modules(folders: Iterable[str]) -> list[str]:
    """Name the modules below some folders by their path from the root."""
    return sorted(path.relative_to(ROOT).as_posix() for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imports_of(tree: ast.Module) -> Iterator[Import]:
    """Find all imports of a module, inside functions and ``import_module("...")`` too."""
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                for alias in node.names:
                    yield Import(alias.name, (), id(node) in for_types)
            case ast.ImportFrom():
                module = "." * node.level + (node.module or "")
                yield Import(module, tuple(alias.name for alias in node.names), id(node) in for_types)
            case ast.Call(func=ast.Name("import_module"), args=[ast.Constant(str(module)), *_]):
                yield Import(module)


def violations(path: str, source: str) -> list[str]:
    """Say which rules of the house a module breaks.

    Args:
        path: Where it is, from the root.
        source: Its text.
    """
    tree = ast.parse(source)
    broken = [text for one in imports_of(tree) for text in _of_import(path, one)]
    doc = ast.get_docstring(tree) or ""
    if re.search(r"\bPure\.$", doc, re.MULTILINE):
        used = {one.module for one in imports_of(tree) if not one.typing_only}
        broken += [f"calls itself pure and imports {name}" for name in sorted(used & _IMPURE)]
    if path.startswith("lumnisai_integrations/"):
        broken += [f"has a route of the API: {text!r}" for text in _texts(tree) if text.startswith(("/v1/", "v1/"))]
        broken += [f"has a header: {text!r}" for text in _texts(tree) if text.lower() in ("authorization", "x-api-key")]
    if tree.body and not doc:
        broken.append("has no docstring")
    return broken


def _of_import(path: str, one: Import) -> Iterator[str]:
    if one.module.startswith("."):
        yield f"imports {one.module} without the name of its package"
    elif one.package in ("lumnisai_core", "lumnisai_integrations"):
        yield from _of_own_import(path, one)
    elif one.package not in sys.stdlib_module_names:
        places = PLACES.get(one.package)
        if places is None:
            yield f"imports {one.module}, which has no place in PLACES of tests/house.py"
        elif not any(below(path, place) for place in places):
            yield f"imports {one.module}, which only {', '.join(places)} may do"


def _of_own_import(path: str, one: Import) -> Iterator[str]:
    wholes = [one.module, *(f"{one.module}.{name}" for name in one.names)]
    barred = next((barred for folder, barred in _BARRED if below(path, folder)), ())
    for module in barred:
        if any(whole == module or whole.startswith(f"{module}.") for whole in wholes):
            yield f"imports {module}"
            return
    if one.package == "lumnisai_core" and not below(path, "lumnisai_core"):
        if one.module not in PUBLIC:
            yield f"imports {one.module}, which is no public module"
            return
        public = {*import_module(one.module).__all__, *(name.rpartition(".")[2] for name in PUBLIC)}
        for name in one.names:
            if name not in public:
                yield f"imports {name} from {one.module}, which does not export it"


def _texts(tree: ast.Module) -> Iterator[str]:
    """Give all texts of a module but its docstrings."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def below(path: str, place: str) -> bool:
    """Say whether a path is a place or lies below it."""
    return PurePosixPath(path).is_relative_to(place)
