"""Progress of a run as the text that frameworks show as reasoning."""

from __future__ import annotations

from lumnisai_core import RunUpdate


def reasoning_text(update: RunUpdate) -> str:
    """Return what an update adds to the visible reasoning: its message, or the new tool calls; a line each.

    Returns:
        Text that ends in a line break, or an empty text if there is nothing to show.
    """
    lines = [update.message] if update.message and update.state != "tool_update" else []
    lines += [str(call) for call in update.tool_calls]
    return "".join(f"{line}\n" for line in lines)
