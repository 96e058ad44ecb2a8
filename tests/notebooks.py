"""Run the notebooks from top to bottom, as ``make notebooks`` does: ``python -m tests.notebooks [NAME...]``.

Without ``LUMNISAI_API_KEY`` each notebook starts an embedded service, and a cell may take at most ten seconds. Outputs
are not saved: ``tests/test_notebooks.py`` checks that notebooks are stored without them.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
CELL_SECONDS = 10


def main(names: list[str]) -> int:
    """Run the notebooks whose names contain one of `names` (default: all) and print the result of each.

    Returns:
        The number of notebooks that failed.
    """
    chosen = [path for path in paths() if not names or any(name in path.name for name in names)]
    if not chosen:
        known = ", ".join(path.stem for path in paths())
        sys.stderr.write(f"No notebook matches {', '.join(names)}; the notebooks are {known}\n")
        return 1
    with clean_jupyter():
        return sum(not _run(path) for path in chosen)


def paths() -> list[Path]:
    """Return the paths of all notebooks in order."""
    return sorted(FOLDER.glob("*.ipynb"))


@contextmanager
def clean_jupyter() -> Iterator[None]:
    """Isolate the notebooks from this user's Jupyter configuration and remove all files that Jupyter writes."""
    with tempfile.TemporaryDirectory() as folder:
        names = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR")
        with mock.patch.dict(os.environ, dict.fromkeys(names, folder)):
            yield


def _run(path: Path) -> bool:
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]  # has no types
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=None if os.environ.get("LUMNISAI_API_KEY") else CELL_SECONDS,
            kernel_name="python3",
            record_timing=False,
            extra_arguments=["--log-level=ERROR"],  # without the warning that the kernel's connection is not encrypted
            resources={"metadata": {"path": folder}},
        )
        began = time.monotonic()
        try:
            client.execute()
        except (CellExecutionError, CellTimeoutError) as error:
            sys.stdout.write(f"{path.name}: FAILED\n{error}\n")
            return False
    sys.stdout.write(f"{path.name}: {time.monotonic() - began:.1f} s\n")
    sys.stdout.flush()
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
