"""What runs are doing, shown as lines, as a live tree in the terminal, or live in a notebook. Framework-free."""

from __future__ import annotations

from lumnisai_integrations._shared.display.board import Run, RunBoard, Step, board_lines
from lumnisai_integrations._shared.display.display import DisplayKind, ProgressDisplay

__all__ = ["DisplayKind", "ProgressDisplay", "Run", "RunBoard", "Step", "board_lines"]
