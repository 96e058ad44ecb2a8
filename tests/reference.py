"""Reference pages, written from the docstrings by ``python -m tests.reference``; a test compares them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import griffe

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"

_HEAD = "<!-- Generated from the docstrings by `make reference`: change those, not this page. -->\n"


def pages() -> dict[Path, str]:
    """Return the path of each reference page with its text."""
    core = griffe.load("lumnisai_core", search_paths=[str(ROOT)])
    texts = {"client": _page("Client", [core["lumnis._sync.client.Client"]], own="client")}
    attributes = _resources(core["lumnis._sync.api.Api"])
    for attribute, classes in attributes.items():
        texts[attribute] = _page(f"client.{attribute}", classes, own=f"client.{attribute}")
    texts["parameters"] = _page(
        "Run parameters",
        [core["lumnis.calls.runs.RunParameters"], core["lumnis.calls.runs.WatchParameters"]],
        own="",
    )
    texts["liminal"] = _platform("Liminal", core["liminal._sync.client.Client"])
    texts["lucidic"] = _platform("Lucidic", core["lucidic._sync.client.Client"])
    texts["lucidic_calls"] = _functions("Lucidic: module-level calls", core["lucidic"], own="lai")
    texts["lumi"] = _lumi(core)
    texts["errors"] = _errors(core["exceptions"])
    texts["index"] = _index(attributes, core)
    return {FOLDER / f"{name}.md": _HEAD + text for name, text in texts.items()}


def _resources(api: griffe.Object | griffe.Alias) -> dict[str, list[griffe.Class]]:
    """Return the classes of the resources by the name of their property of the API."""
    return {
        name: [api.module[str(attribute.annotation)].final_target]  # type: ignore[union-attr]  # properties have one
        for name, attribute in api.members.items()
        if attribute.is_attribute and "cached" in attribute.labels
    }


def _platform(title: str, client: griffe.Object | griffe.Alias) -> str:
    resources = _resources(client)
    classes = [client, *(described for classes in resources.values() for described in classes)]
    return _page(title, classes, own=["client", *(f"client.{attribute}" for attribute in resources)])  # type: ignore[arg-type]


def _lumi(core: griffe.Object | griffe.Alias) -> str:
    half = core["lumi._sync"]
    parts = {
        "client": "client.Client",
        "client.auth": "accounts.Auth",
        "client.entities.Posts": "entities.Entity",
        "client.tools.email": "tools.Email",
        "client.tools.file": "tools.File",
        "client.tools.ai": "tools.Ai",
        "client.functions": "tools.Functions",
    }
    return _page("Lumi.new", [half[name] for name in parts.values()], own=list(parts))


def _page(title: str, classes: list[griffe.Class], *, own: str | list[str]) -> str:
    parts = [f"# {title}\n"]
    for described, owner in zip(classes, [own] * len(classes) if isinstance(own, str) else own, strict=True):
        if len(classes) > 1:
            parts.append(f"## {described.name}\n")
        parts.append(_docstring(described))
        for name, method in _methods(described):
            parts.append(f"## {name}\n")
            parts.append(f"```python\n{_signature(f'{owner}.{name}', method)}\n```\n")
            parts.append(_docstring(method))
    return "\n".join(part for part in parts if part).rstrip() + "\n"


def _functions(title: str, module: griffe.Object | griffe.Alias, *, own: str) -> str:
    """Return the page of the functions that a module exports, and of the classes of what they return."""
    parts = [f"# {title}\n", f"`import {module.path} as {own}`\n"]
    exported = [module.members[name] for name in module.exports or () if isinstance(name, str)]
    found = {member.name: member.final_target for member in exported if member.is_alias and member.is_function}  # type: ignore[union-attr]
    for name, function in found.items():
        parts.append(f"## {name}\n")
        parts.append(f"```python\n{_signature(f'{own}.{name}', function, first=0)}\n```\n")  # type: ignore[arg-type]
        parts.append(_docstring(function))
    return "\n".join(part for part in parts if part).rstrip() + "\n"


def _methods(described: griffe.Class) -> Iterator[tuple[str, griffe.Function]]:
    seen: set[str] = set()
    for owner in [described, *described.mro()]:
        for name, member in owner.members.items():
            if member.is_function and not name.startswith("_") and name not in seen:
                seen.add(name)
                yield name, member  # type: ignore[misc]  # checked above


def _signature(name: str, method: griffe.Function, first: int = 1) -> str:
    shown = []
    keyword_only = False
    for parameter in list(method.parameters)[first:]:
        kind = parameter.kind.value if parameter.kind else ""
        if kind == "keyword-only" and not keyword_only:
            keyword_only = True
            shown.append("*")
        stars = {"variadic positional": "*", "variadic keyword": "**"}.get(kind, "")
        value = "..." if str(parameter.default).startswith("_") else parameter.default  # private names say nothing here
        default = f" = {value}" if parameter.default is not None and not stars else ""
        shown.append(f"{stars}{parameter.name}: {parameter.annotation}{default}")
    one_line = f"{name}({', '.join(shown)}) -> {method.returns}"
    if len(one_line) <= 88:  # as wide as any code block of the documents
        return one_line
    lines = "".join(f"    {part},\n" for part in shown)
    return f"{name}(\n{lines}) -> {method.returns}"


def _docstring(described: griffe.Object) -> str:
    if described.docstring is None:
        return ""
    parts = []
    for section in described.docstring.parse("google", warnings=False):
        match section.kind:
            case griffe.DocstringSectionKind.text:
                parts.append(f"{section.value}\n")
            case griffe.DocstringSectionKind.parameters | griffe.DocstringSectionKind.attributes:
                parts.append(_rows("Parameter" if section.kind.value == "parameters" else "Attribute", section.value))
            case griffe.DocstringSectionKind.raises:
                parts.append(_rows("Raises", section.value, name="annotation"))
            case griffe.DocstringSectionKind.returns | griffe.DocstringSectionKind.yields:
                text = " ".join(_line(item.description) for item in section.value)
                parts.append(f"Returns: {text}\n")
            case _:
                parts.append(f"{section.value}\n")
    return _plain("\n".join(parts))


def _plain(text: str) -> str:
    """Convert the markup of docstrings to Markdown."""
    return re.sub(r":\w+:`([^`]+)`", r"`\1`", text.replace("``", "`"))


class PlainMarks(griffe.Extension):
    """Converts docstrings for the pages that mkdocstrings fills in; `zensical.toml` names this class."""

    def on_object(self, *, obj: griffe.Object, **_others: object) -> None:
        """Convert the docstring of a loaded object."""
        if obj.docstring is not None:
            obj.docstring.value = _plain(obj.docstring.value)


def _rows(head: str, items: list[griffe.DocstringElement], *, name: str = "name") -> str:
    rows = [f"| `{getattr(item, name)}` | {_line(item.description)} |" for item in items]
    return "\n".join([f"| {head} | |", "|---|---|", *rows]) + "\n"


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _errors(module: griffe.Object | griffe.Alias) -> str:
    text = re.sub(r"^::\n\n?", "", _docstring(module), flags=re.MULTILINE)  # type: ignore[arg-type]
    text = re.sub(r"^    (?:((?:[│ ]   )*)[├└]── )?(\w+)( \(.*?\))? *(.*)$", _branch, text, flags=re.MULTILINE)
    parts = [f"# Errors\n\n`from lumnisai_core.exceptions import ...`\n\n{text.rstrip()}\n"]
    for name, member in module.members.items():
        if not member.is_alias and member.is_class:
            parts.append(f"## {name}\n\n{_docstring(member)}")  # type: ignore[arg-type]
    return "\n".join(parts).rstrip() + "\n"


def _branch(line: re.Match[str]) -> str:
    """Write a line of a tree of classes as an entry of a nested list."""
    above, name, also, description = line.groups()
    depth = 0 if above is None else 1 + len(above) // 4
    return f"{'  ' * depth}- [{name}](#{name.lower()}){also or ''}" + (f": {description}" if description else "")


def _index(attributes: dict[str, list[griffe.Class]], core: griffe.Object | griffe.Alias) -> str:
    rows = ["- [Client](client.md): constructors, scopes, `invoke`"]
    for attribute, classes in attributes.items():
        summary = classes[0].docstring.value.splitlines()[0] if classes[0].docstring else ""
        rows.append(f"- [client.{attribute}]({attribute}.md): {_plain(summary)}")
    rows.append("- [Run parameters](parameters.md) of `invoke`, `responses.create` and other methods")
    rows.append("- [Liminal](liminal.md): the client of the privacy gateway")
    rows.append("- Lucidic, observability: [module-level calls](lucidic_calls.md), [client](lucidic.md)")
    rows.append("- [Lumi.new](lumi.md): the client of the backend of applications")
    rows.append("- [Errors](errors.md): all error classes")
    rows.append("- [LangChain](../api/langchain.md), [LlamaIndex](../api/llama_index.md): the adapters")
    rows.append("- [Embedded service](../api/local.md): `lumnisai_core.local`")
    text = "`AsyncClient` has the same methods as coroutines; read its lists and streams with `async for`."
    return f"# Reference\n\n{core.docstring.value.splitlines()[0]}\n\n{text}\n\n" + "\n".join(rows) + "\n"  # type: ignore[union-attr]


def stale() -> list[str]:
    """Return the names of pages that are out of date or should not exist."""
    texts = pages()
    different = [path for path, text in texts.items() if not path.is_file() or path.read_text("utf-8") != text]
    left_over = set(FOLDER.glob("*.md")) - texts.keys()
    return sorted(path.name for path in [*different, *left_over])


def main() -> None:
    """Write all pages and remove obsolete ones."""
    texts = pages()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in set(FOLDER.glob("*.md")) - texts.keys():
        path.unlink()
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(texts)} pages written\n")


if __name__ == "__main__":
    main()
