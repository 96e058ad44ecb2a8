"""The way of one call: how many files of ours a reader has to follow."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

from lumnisai_integrations.langchain import ChatLumnis

_ROOT = Path(__file__).resolve().parents[2]

#: ChatOpenAI with its SDK enters 15.
_MOST_FILES = 33


def test_one_invoke_enters_few_files(model: ChatLumnis) -> None:
    """Those of the client and the adapter, once everything is loaded; the service is another process in real life."""
    entered: set[str] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            entered.add(frame.f_code.co_filename)

    model.invoke("How high is the tide?")
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        model.invoke("And tomorrow?")
    finally:
        sys.setprofile(before)
    files = {Path(name).relative_to(_ROOT) for name in entered if Path(name).is_relative_to(_ROOT)}
    ours = sorted(str(file) for file in files if file.parts[0].startswith("lumnisai_") and "local" not in file.parts)
    assert len(ours) <= _MOST_FILES, "\n".join(ours)
