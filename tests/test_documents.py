"""Code blocks of the documents: they run and print what stands below them, none is too wide, extras suffice."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import metadata, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests import reference
from tests.documents import COLUMNS, PAGES, ROOT, Block, Runner, agrees, blocks_of, shown, tidy
from tests.package import sizes

README = ROOT / "README.md"
PROJECT = "lumnisai-integrations"
# The reference holds signatures, which cannot run.
BLOCKS = [block for page in PAGES if page.parent.name != "reference" for block in blocks_of(page)]


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    """Runs blocks on a service for each page."""
    with closing(Runner()) as made:
        yield made


def wide_lines(text: str) -> list[str]:
    """Return the lines of a page's code blocks that have more than `COLUMNS` columns."""
    blocks = re.findall(r"^( *)(```+|~~~+)[^\n]*\n(.*?)^\1\2 *$", text, re.MULTILINE | re.DOTALL)
    return [line for _, _, block in blocks for line in block.splitlines() if len(line) > COLUMNS]


def test_the_documents_have_python_blocks() -> None:
    """The pattern finds the blocks that the next test runs."""
    assert len(BLOCKS) >= 15


# Warnings from the code of LlamaIndex's workflow agents.
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")
@pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning")
@pytest.mark.parametrize("block", [pytest.param(block, id=block.name) for block in BLOCKS])
def test_a_python_block_runs(block: Block, runner: Runner) -> None:
    """With keys and addresses in the environment, each block runs by itself and prints what stands below it."""
    printed = runner.run(block)
    if "print" in block.code:
        assert printed
    if block.printed is not None:
        assert agrees(block.printed, printed), f"run `python -m tests.documents`; it prints:\n{printed}"


@pytest.mark.parametrize("page", [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in PAGES])
def test_what_a_block_prints_stands_below_it(page: Path) -> None:
    """A reader sees the output of each block that prints; if one is missing, run `python -m tests.documents`."""
    if page.parent.name != "reference":
        assert [block.line for block in blocks_of(page) if "print(" in block.code and block.printed is None] == []


@pytest.mark.parametrize(
    ("page", "printed", "agree"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\nb\n", "a\nc\n", False),
        ("a\n", "a\nb\n", False),
        ("run ... ended\n", "run 1-2 ended\n", True),
        ("run ... ended\n", "run 1\n2 ended\n", False),
        ("a\n...\nb\n", "a\nx\ny\nb\n", True),
        ("a\n...\nb\n", "a\nb\n", True),
        ("a\n...\nb\n", "a\nx\n", False),
        ("Ends (so?)\n", "Ends (so?)\n", True),
    ],
)
def test_outputs_are_compared(page: str, printed: str, agree: bool) -> None:
    """Three dots stand for anything within a line, and on a line of their own for any number of lines."""
    assert agrees(page, printed) is agree


@pytest.mark.parametrize(
    ("outputs", "page"),
    [
        (["a\n", "a\n"], "a\n"),
        (["id 7 here\n", "id 8 here\n"], "id ... here\n"),
        (["a\nx\nb\n", "a\nb\n"], "a\n...\nb\n"),
        (["took 12 ms\n"], "took ... ms\n"),
        ([f"{'word ' * 20}\n"], f"{('word ' * 20)[:85]}...\n"),
        (["".join(f"{n}\n" for n in range(30))], "".join(f"{n}\n" for n in [*range(10), "...", 27, 28, 29])),
    ],
)
def test_what_differs_is_left_out(outputs: list[str], page: str) -> None:
    """An output is shown with dots for what differs, for times, and for what is too long; it agrees with each run."""
    assert shown(outputs) == page
    assert all(agrees(page, tidy(output)) for output in outputs)


@pytest.mark.parametrize("page", [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in PAGES])
def test_code_blocks_are_narrow(page: Path) -> None:
    """No line of a code block is wider than 88 columns, in any language."""
    assert wide_lines(page.read_text("utf-8")) == []


def test_a_wide_line_is_found() -> None:
    """Lines of blocks count, also of indented blocks; lines of prose and tables do not."""
    wide, narrow = "x" * 89, "x" * 88
    page = f"{wide}\n\n```python\n{wide}\n{narrow}\n```\n\n  ~~~text\n  {narrow}\n  ~~~\n"
    assert wide_lines(page) == [wide, f"  {narrow}"]


def test_the_reference_is_up_to_date() -> None:
    """Reference pages match the docstrings; if they do not, run `make reference`."""
    assert reference.stale() == [], "run `make reference`"


#: Parts of this package that need an extra.
PARTS = {
    "lumnisai_core.local": "local",
    "lumnisai_core.lucidic": "lucidic",
    "lumnisai_integrations.bulk.ray": "ray",
    "lumnisai_integrations.langchain": "langchain",
    "lumnisai_integrations.llama_index": "llama-index",
    "lumnisai_integrations.mcp": "mcp",
}


def installed_by(extras: set[str]) -> set[str]:
    """Return the distributions that `pip install` brings with these extras of this package."""
    found, waiting = set[tuple[str, frozenset[str]]](), [(PROJECT, frozenset(extras))]
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in found:
            continue
        found.add((name, wanted))
        for text in requires(name) or ():
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in ("", *wanted)):
                waiting.append((re.sub(r"[-_.]+", "-", needed.name).lower(), frozenset(needed.extras)))
    return {name for name, _ in found} - {PROJECT}


def missing_extras(code: str, extras: set[str]) -> list[str]:
    """Return the modules that a block imports and that these extras do not bring."""
    nodes = list(ast.walk(ast.parse(code)))
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    bring, known = installed_by(extras), packages_distributions()
    own = [module for module in modules if module.startswith("lumnisai_")]
    lacking = tuple(part for part, extra in PARTS.items() if extra not in extras)
    parts = [module for module in own if module.startswith(lacking)]
    others = [
        module
        for module in modules.difference(own)
        if (names := known.get(module.partition(".")[0]))
        and bring.isdisjoint(re.sub(r"[-_.]+", "-", name).lower() for name in names)
    ]
    return sorted([*parts, *others])


def first_screens(page: Path) -> list[tuple[str, set[str], str]]:
    """Return the Python blocks of a page that stand below a line that installs: that line, its extras, the code."""
    pattern = r"```console\n(\$ pip install \"lumnisai-integrations\[([\w,-]+)\]\"\n)```\n\n```python\n(.*?)^```"
    found = re.findall(pattern, page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [(line.strip(), set(extras.split(",")), code) for line, extras, code in found]


@pytest.mark.parametrize("page", [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in PAGES])
def test_the_extras_above_an_example_suffice_for_it(page: Path) -> None:
    """What is installed on the line above an example brings all that it imports; `make package` tries the README's."""
    assert {line: missing_extras(code, extras) for line, extras, code in first_screens(page)} == {
        line: [] for line, _, _ in first_screens(page)
    }


def test_an_extra_that_lacks_is_found() -> None:
    """Parts of this package and packages of others are both looked at."""
    code = "import json\nfrom llama_index.core import Document\nfrom lumnisai_core.local import LocalLumnis\n"
    assert missing_extras(code, {"langchain"}) == ["llama_index.core", "lumnisai_core.local"]
    assert missing_extras(code, {"local", "llama-index"}) == []
    assert len(first_screens(README)) == 2


#: Extras that only this project's own targets use.
FOR_DEVELOPMENT = {
    *("dev", "package", "audit", "bench", "browser", "docs", "thirdparty", "durable", "bulk", "privacy", "cookbook"),
}


def test_the_readme_lists_every_extra() -> None:
    """Each extra for users has a row with its packages and megabytes, which `make package` measures."""
    extras = set(metadata(PROJECT).get_all("Provides-Extra") or ()) - FOR_DEVELOPMENT
    assert extras == set(sizes.EXTRAS) - {""}
    rows = re.findall(r"^\| (?:`([\w-]+)`|none) \| .* \| \d+ \| \d+ \|$", README.read_text("utf-8"), re.MULTILINE)
    assert rows == list(sizes.EXTRAS)


@pytest.mark.parametrize("framework", ["LangChain", "LlamaIndex"])
def test_the_first_screen_streams_an_answer(framework: str) -> None:
    """The first block of each framework answers its own question."""
    _, _, section = README.read_text("utf-8").partition(f"\n## {framework}\n")
    block = re.search(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert block is not None
    assert "What follows the full moon?" in block[1]
    assert "Spring tides follow the full moon." in block[2]
