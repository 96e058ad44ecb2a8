"""The hooks for PyInstaller, without PyInstaller."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

from lumnisai_core._pyinstaller import hook_dirs


def test_each_hook_belongs_to_a_package() -> None:
    """PyInstaller runs a hook when it meets the package of its name."""
    entry = EntryPoint("hook-dirs", "lumnisai_core._pyinstaller:hook_dirs", "pyinstaller40")
    assert entry.load() is hook_dirs
    hooks = [path.stem.removeprefix("hook-") for folder in hook_dirs() for path in Path(folder).glob("hook-*.py")]
    assert "lumnisai_core.local" in hooks
    assert [name for name in hooks if find_spec(name) is None] == []
