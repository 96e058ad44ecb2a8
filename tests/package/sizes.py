"""What comes with each extra: packages and megabytes, measured in environments of their own, for the README."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "README.md"
BEGIN, END = "<!-- written by: python -m tests.package sizes --write -->\n", "<!-- end of the extras -->\n"
#: The extras for users, in the order of the table, and what each adds.
EXTRAS = {
    "": "`lumnisai_core`: the clients of all platforms, sync and async",
    "langchain": "`lumnisai_integrations.langchain`",
    "llama-index": "`lumnisai_integrations.llama_index`",
    "local": "`lumnisai_core.local`: the embedded service",
    "cli": "the `lumnis` command; with `local` it needs no account",
    "mcp": "`lumnis mcp`: agents in desktop apps and editors",
    "aiohttp": "a faster transport for hundreds of runs at once",
    "files": "text of PDF and Word files in the embedded service",
    "lucidic": "recording into Lucidic; its client needs no extra",
    "liminal-local": "phone numbers and national ids in the embedded gateway",
    "liminal-ner": "names and places in the embedded gateway, by a small model",
    "notebook": "tables, plots and intervals of experiments",
    "ray": "`map_runs`: data sets on a Ray cluster",
    "all": "all of the above but `liminal-ner`, `notebook` and `ray`",
}


class Size(NamedTuple):
    """What an installation takes: packages beside this one, and bytes of files without compiled modules."""

    packages: int
    size: int


def measure(install: Callable[[str], Path]) -> dict[str, Size]:
    """Measure each extra; `install` makes an environment with it and returns its interpreter."""
    return {extra: _size_of(install(extra)) for extra in EXTRAS}


def _size_of(python: Path) -> Size:
    command = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    place = Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
    files = (file for file in place.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return Size(len(list(place.glob("*.dist-info"))) - 1, sum(file.stat().st_size for file in files))


def table_of(sizes: dict[str, Size]) -> str:
    """Return the sizes as a table in Markdown."""
    rows = [
        f"| {f'`{extra}`' if extra else 'none'} | {EXTRAS[extra]} | {size.packages} | {_megabytes(size.size)} |\n"
        for extra, size in sizes.items()
    ]
    head = "| Extra | Adds | Packages | MB |\n|---|---|---:|---:|\n"
    return f"\nBeside this package, and with it, in the locked versions on Linux:\n\n{head}{''.join(rows)}\n"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f}"


def stale(sizes: dict[str, Size]) -> list[str]:
    """Return the extras for which the README has other figures; megabytes may differ by a tenth between machines."""
    row = r"^\| (?:`([\w-]+)`|none) \| .* \| (\d+) \| (\d+) \|$"
    found = re.findall(row, PAGE.read_text("utf-8"), re.MULTILINE)
    shown = {extra: (int(packages), int(size)) for extra, packages, size in found}
    return [
        f"{extra or 'none'}: {size.packages} packages, {_megabytes(size.size)} MB"
        for extra, size in sizes.items()
        if extra not in shown
        or shown[extra][0] != size.packages
        or abs(shown[extra][1] - size.size / 1e6) > size.size / 1e7 + 1
    ]


def write(sizes: dict[str, Size]) -> None:
    """Put the table into the README."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}{table_of(sizes)}{END}{after}", "utf-8")
