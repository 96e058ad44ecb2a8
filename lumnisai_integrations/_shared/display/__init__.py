"""Displays of running agents: lines, a live tree in the terminal, live in a notebook. Framework-free."""

from __future__ import annotations

from lumnisai_integrations._shared.display.display import DisplayKind, ProgressDisplay

__all__ = ["DisplayKind", "ProgressDisplay"]
