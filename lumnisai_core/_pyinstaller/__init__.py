"""Hooks for PyInstaller, which cannot see data files and modules that are imported by name on first use."""

from __future__ import annotations

from pathlib import Path


def hook_dirs() -> list[str]:
    """Return the folder with the hooks; PyInstaller finds this function by its entry point."""
    return [str(Path(__file__).parent)]
