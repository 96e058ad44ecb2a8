"""The documents as a whole: links resolve, every page is in the navigation, and the reference is complete."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest

from tests.house import ROOT

DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])

#: Pages that mkdocstrings fills in, with the module each one describes.
FILLED_IN = {
    "api/experiments.md": "lumnisai_integrations.experiments",
    "api/langchain.md": "lumnisai_integrations.langchain",
    "api/llama_index.md": "lumnisai_integrations.llama_index",
    "api/local.md": "lumnisai_core.local",
}


def prose_of(text: str) -> str:
    """Return a page without its code blocks."""
    return re.sub(r"^ *(```+|~~~+).*?^ *\1\s*?$", "", text, flags=re.MULTILINE | re.DOTALL)


def links_of(text: str) -> Iterator[str]:
    """Yield the targets of all links and images of a page."""
    without_code = re.sub(r"(`+)[^`].*?\1", "code", prose_of(text))
    yield from re.findall(r"\]\(\s*<?([^()\s<>]+)", without_code)
    yield from re.findall(r"^\[[^\]]+\]:\s*(\S+)", without_code, re.MULTILINE)


def anchors_of(text: str) -> set[str]:
    """Return the anchors that a page has both on GitHub and in the site, which derive them differently."""
    on_github: list[str] = []
    in_the_site: list[str] = []
    for heading in re.findall(r"^#{1,6}\s+(.+?)\s*#*$", prose_of(text), re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        _add(on_github, re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-"), "-")
        plain = unicodedata.normalize("NFKD", shown).encode("ascii", "ignore").decode()
        _add(in_the_site, re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower()), "_")
    return set(on_github) & set(in_the_site)


def _add(anchors: list[str], anchor: str, mark: str) -> None:
    number, unique = 1, anchor
    while unique in anchors:
        unique = f"{anchor}{mark}{number}"
        number += 1
    anchors.append(unique)


def broken_links(page: Path) -> list[str]:
    """Return the relative links of a page that do not resolve."""
    broken = []
    for link in links_of(page.read_text("utf-8")):
        parts = urlsplit(link)
        if parts.scheme in ("http", "https", "mailto"):
            continue
        target = (page.parent / parts.path).resolve() if parts.path else page
        within = DOCS if page.is_relative_to(DOCS) else ROOT  # the site contains only docs/
        found = target.is_relative_to(within) and target.exists()
        if not found or (parts.fragment and parts.fragment not in anchors_of(target.read_text("utf-8"))):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in PAGES])
def test_links_resolve(page: Path) -> None:
    """A relative link names an existing page, and an existing heading if it has an anchor."""
    assert broken_links(page) == []


@pytest.mark.parametrize(
    ("link", "resolves"),
    [
        ("[x](other.md)", True),
        ("[x](other.md#two-words)", True),
        ("[x](#own)", True),
        ('[x](other.md "Title")', True),
        ("[x](https://example.org/nothing.md)", True),
        ("`[x](none.md)`", True),
        ("```text\n[x](none.md)\n```", True),
        ("[x](none.md)", False),
        ("![x](none.png)", False),
        ("[x](other.md#none)", False),
        ("[x](#none)", False),
        ("[x](other.md#in-a-block)", False),
        ("[x][1]\n\n[1]: none.md", False),
        ("[x](/other.md)", False),
        ("[x](../../README.md)", False),
    ],
)
def test_a_broken_link_is_found(link: str, resolves: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links and headings inside code do not count."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "other.md").write_text("# Other\n\n## Two `words`\n\n```console\n# in a block\n```\n")
    page = folder / "page.md"
    page.write_text(f"# Own\n\n{link}\n")
    (tmp_path / "README.md").touch()
    monkeypatch.setattr("tests.test_site.ROOT", tmp_path)
    monkeypatch.setattr("tests.test_site.DOCS", folder)
    assert (broken_links(page) == []) is resolves


@pytest.mark.parametrize("picture", [pytest.param(path, id=path.name) for path in sorted(DOCS.rglob("*.svg"))])
def test_a_picture_stands_by_itself(picture: Path) -> None:
    """A picture is shown on a page, has a title for those who cannot see it, and loads nothing from elsewhere."""
    root = ElementTree.fromstring(picture.read_text("utf-8"))
    assert root.findtext("{http://www.w3.org/2000/svg}title")
    values = [value for node in root.iter() for name, value in node.attrib.items() if name.endswith("href")]
    assert [value for value in values if not value.startswith("#")] == []
    assert not re.search(r"<script|@import|url\((?!#)", picture.read_text("utf-8"))
    assert any(picture.name in page.read_text("utf-8") for page in PAGES)


def _pages_of(entries: object) -> Iterator[str]:
    match entries:
        case str():
            yield entries
        case dict():
            for value in entries.values():
                yield from _pages_of(value)
        case list():
            for entry in entries:
                yield from _pages_of(entry)


def test_every_page_is_in_the_navigation_once() -> None:
    """Readers can reach every page, and every entry of the navigation exists."""
    shown = sorted(_pages_of(tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]["nav"]))
    assert shown == sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))


@pytest.mark.parametrize("page", FILLED_IN)
def test_the_reference_has_every_public_name(page: str) -> None:
    """Each exported name has a heading, followed by the line that mkdocstrings replaces with its docstring."""
    module = FILLED_IN[page]
    described = re.findall(r"^## (\w+)\n.*?^::: ([\w.]+)$", (DOCS / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert sorted(described) == sorted((name, f"{module}.{name}") for name in import_module(module).__all__)
