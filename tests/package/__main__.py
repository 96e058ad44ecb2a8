"""Builds the package and tries it as shipped: with every extra, and with the oldest and newest versions allowed.

Each environment gets the wheel, pytest and nothing of the checkout but ``smoke.py``. With the oldest and the newest
versions of the frameworks, the adapters' whole tests run, too. The examples of the README run with the extras that it
names above them, and the size of each extra is measured; ``sizes --write`` puts the figures into the README. Last,
pyright judges the types of the public API. Wheel, source archive and a software bill of materials, of the wheel with
the locked versions, are left in ``dist/``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from lumnisai_core.local import LocalLumnis
from tests.package import sizes

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"
LOCK = ROOT / "constraints.txt"
NAME = "lumnisai-integrations"
EXTRAS = tuple(sizes.EXTRAS)
#: The lock file of an extra that the main one leaves out.
OTHER_LOCKS = {"ray": ROOT / "tests/cluster/constraints.txt"}
PACKAGES = ("lumnisai_core", "lumnisai_integrations")
#: The modules that users import from. What they list, with its members, is the public API.
DOORS = (
    "lumnisai_core",
    "lumnisai_core.models",
    "lumnisai_core.exceptions",
    "lumnisai_core.display",
    "lumnisai_core.file_texts",
    "lumnisai_core.local",
    "lumnisai_integrations.langchain",
    "lumnisai_integrations.llama_index",
    "lumnisai_integrations.mcp",
    "lumnisai_integrations.notebook",
    "lumnisai_integrations.bulk",
    "lumnisai_integrations.experiments",
)
#: The adapters' own tests, which hold for every version that is allowed.
ADAPTER_TESTS = ("tests/langchain", "tests/llama_index", "tests/shared")


def main() -> int:
    """Run the parts that the command line names, all by default; the exit status is the number of parts that failed."""
    parts = {
        "archive": _archive,
        "materials": _materials,
        "extras": _extras,
        "readme": _readme,
        "sizes": _sizes,
        "oldest": _oldest,
        "newest": _newest,
        "types": _types,
    }
    parser = argparse.ArgumentParser(prog="python -m tests.package", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help="default: all")
    parser.add_argument("--write", action="store_true", help="put the sizes into the README")
    arguments = parser.parse_args()
    if arguments.write:
        parts["sizes"] = _write_sizes
    chosen = arguments.parts or list(parts)
    with tempfile.TemporaryDirectory() as folder, _service() as environment:
        wheel = _build()
        outcome = {name: parts[name](Path(folder), wheel, environment) for name in chosen}
    for name, failed in outcome.items():
        print(f"{name:9} {'FAILED: ' + ', '.join(failed) if failed else 'passed'}")  # noqa: T201
    return sum(map(bool, outcome.values()))


@contextmanager
def _service() -> Iterator[dict[str, str]]:
    with LocalLumnis() as local:
        address = {"LUMNISAI_API_KEY": local.api_key, "LUMNISAI_BASE_URL": local.base_url}
        outside = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON", "VIRTUAL"))
        }
        yield {**outside, **address}


def _build() -> Path:
    """Build both archives, the wheel out of the source archive, with the locked build tools."""
    shutil.rmtree(DIST, ignore_errors=True)
    command = [*_uv(), "build", "--quiet", "--build-constraint", str(LOCK), "--require-hashes", "--out-dir", str(DIST)]
    _run([*command, str(ROOT)])
    (wheel,) = DIST.glob("*.whl")
    return wheel


def _archive(_folder: Path, _wheel: Path, _environment: dict[str, str]) -> list[str]:
    """Look for everything that the README links to in the source archive."""
    (path,) = DIST.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / "README.md").read_text("utf-8"))
    return sorted({link for link in links if link not in held and not any(name.startswith(link) for name in held)})


def _materials(folder: Path, wheel: Path, _environment: dict[str, str]) -> list[str]:
    """Write the bill of materials beside the wheel; every part of it has to be locked."""
    python = _environment_at(folder / "materials")
    locked = ["--require-hashes", "--constraint", str(LOCK), "--build-constraint", str(LOCK)]
    _install(python, *locked, "--requirement", str(ROOT / "pyproject.toml"), "--extra", "all")
    _install(python, "--no-deps", str(wheel))
    bill = DIST / f"{wheel.name.removesuffix('-py3-none-any.whl')}.cdx.json"
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--output-format", "JSON"]
    _run([*command, "--pyproject", str(ROOT / "pyproject.toml"), "--output-file", str(bill), str(python)])
    parts = {(part["name"], part["version"]) for part in json.loads(bill.read_text("utf-8"))["components"]}
    pins = set(re.findall(r"^([\w.-]+)==([^ ;]+)", LOCK.read_text("utf-8"), re.MULTILINE))
    known = {(_plain(name), version) for name, version in pins}
    print(f"{bill.relative_to(ROOT)}: {len(parts)} packages")  # noqa: T201
    return [f"{name} {version}" for name, version in sorted(parts) if (_plain(name), version) not in known] or (
        [] if parts else ["empty"]
    )


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _extras(folder: Path, wheel: Path, environment: dict[str, str]) -> list[str]:
    return [extra or "no extra" for extra in EXTRAS if not _try(folder, wheel, environment, extra)]


def _readme(folder: Path, wheel: Path, environment: dict[str, str]) -> list[str]:
    """Run each first example of the README with nothing but the extras on the line above it."""
    pattern = r'^\$ pip install "lumnisai-integrations\[([\w,-]+)\]"\n```\n\n```python\n(.*?)^```'
    screens = re.findall(pattern, (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    failed = []
    for extras, code in screens:
        python = _environment_at(folder / f"readme-{extras}")
        _install(python, f"{NAME}[{extras}] @ {wheel.as_uri()}")
        if not _passes([str(python), "-c", code], cwd=folder, env=environment):
            failed.append(extras)
    return failed if screens else ["no example"]


def _sizes(folder: Path, wheel: Path, _environment: dict[str, str]) -> list[str]:
    """Measure each extra with the locked versions, and compare the README."""
    return sizes.stale(_measured(folder, wheel))


def _write_sizes(folder: Path, wheel: Path, _environment: dict[str, str]) -> list[str]:
    sizes.write(_measured(folder, wheel))
    return []


def _measured(folder: Path, wheel: Path) -> dict[str, sizes.Size]:
    def install(extra: str) -> Path:
        python = _environment_at(folder / f"size-{extra or 'core'}")
        wanted = f"{NAME}[{extra}] @ {wheel.as_uri()}" if extra else f"{NAME} @ {wheel.as_uri()}"
        _install(python, "--constraint", str(OTHER_LOCKS.get(extra, LOCK)), wanted)
        return python

    return sizes.measure(install)


def _oldest(folder: Path, wheel: Path, environment: dict[str, str]) -> list[str]:
    """Try the lowest versions that pyproject.toml allows."""
    smoke = _try(folder, wheel, environment, "all", "--resolution", "lowest-direct", label="oldest")
    return ([] if smoke else ["smoke"]) + _adapter_tests(folder, "lowest-direct")


def _newest(folder: Path, wheel: Path, environment: dict[str, str]) -> list[str]:
    """Try the highest versions that pyproject.toml allows."""
    smoke = _try(folder, wheel, environment, "all", "--resolution", "highest", label="newest")
    return ([] if smoke else ["smoke"]) + _adapter_tests(folder, "highest")


def _try(folder: Path, wheel: Path, environment: dict[str, str], extra: str, *options: str, label: str = "") -> bool:
    python = _environment_at(folder / f"smoke-{label or extra or 'core'}")
    wanted = f"{NAME}[{extra}] @ {wheel.as_uri()}" if extra else f"{NAME} @ {wheel.as_uri()}"
    _install(python, wanted, "pytest>=8.3", *options)
    place = python.parents[1] / "try"
    place.mkdir()
    smoke = str(shutil.copy(ROOT / "tests/package/smoke.py", place / "test_smoke.py"))
    command = [str(python), "-W", "error::UserWarning:lumnisai_core", "-m", "pytest", "-q", "-p", "no:lumnis", smoke]
    return _passes(command, cwd=place, env={**environment, "EXTRA": extra})


def _adapter_tests(folder: Path, resolution: str) -> list[str]:
    """Run the adapters' tests on the sources, with the versions of one end of what is allowed."""
    python = _environment_at(folder / f"tests-{resolution}")
    _install(python, "--editable", f"{ROOT}[dev]", "--resolution", resolution)
    failed = []
    for tests in ADAPTER_TESTS:
        command = [str(python), "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", tests]
        if not _passes(command, cwd=ROOT, env={**os.environ, "VIRTUAL_ENV": ""}):
            failed.append(tests)
    return failed


def _types(folder: Path, wheel: Path, environment: dict[str, str]) -> list[str]:
    """Let pyright judge how completely the public API is typed."""
    python = _environment_at(folder / "types")
    _install(python, f"{NAME}[all] @ {wheel.as_uri()}")
    # pyright looks for the package with the first `python` on the path.
    inside = {**environment, "PATH": f"{python.parent}{os.pathsep}{environment['PATH']}"}
    incomplete = []
    for package in PACKAGES:
        command = [sys.executable, "-m", "pyright", "--outputjson", "--ignoreexternal", "--verifytypes", package]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=inside)
        report = json.loads(done.stdout)["typeCompleteness"]
        judged = [symbol for symbol in report["symbols"] if symbol["isExported"] and _is_public(symbol["name"])]
        wrong = [symbol for symbol in judged if symbol["isTypeAmbiguous"] or not symbol["isTypeKnown"]]
        print(f"{package}: {len(judged)} public names, {len(wrong)} of them not fully typed")  # noqa: T201
        for symbol in wrong:
            print(f"  {symbol['name']}: {[note['message'] for note in symbol['diagnostics']]}")  # noqa: T201
        # An empty judgement would pass whatever the package holds.
        if wrong or not judged:
            incomplete.append(package)
    return incomplete


def _is_public(name: str) -> bool:
    """Whether a front door has the name, or the class that it is a member of."""
    parts = name.split(".")
    return any(".".join(parts[:length]) in _public_names() for length in range(1, len(parts) + 1))


@cache
def _public_names() -> frozenset[str]:
    """Return the names in front doors, and the names of the same objects where they are defined."""
    names = set()
    for door in map(importlib.import_module, DOORS):
        for name in door.__all__:
            thing = getattr(door, name)
            names |= {f"{door.__name__}.{name}", f"{getattr(thing, '__module__', '')}.{getattr(thing, '__name__', '')}"}
    return frozenset(names)


def _environment_at(place: Path) -> Path:
    _run([*_uv(), "venv", "--quiet", "--python", sys.executable, str(place)])
    return place / "bin" / "python"


def _install(python: Path, *wanted: str) -> None:
    _run([*_uv(), "pip", "install", "--quiet", "--python", str(python), *wanted])


def _uv() -> Sequence[str]:
    return (sys.executable, "-m", "uv")


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True)


def _passes(command: Sequence[str], *, cwd: Path, env: dict[str, str]) -> bool:
    print("$", " ".join(command), flush=True)  # noqa: T201
    return subprocess.run(command, cwd=cwd, env=env, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
