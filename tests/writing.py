"""An engine that writes an answer while a test watches."""

from __future__ import annotations

import asyncio
import threading

from lumnisai_core.local import RunReport, RunRequest, RunResult

FIRST, WHOLE = "High at", "High at noon."
USAGE = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}


class WritingEngine:
    """Writes the first part of an answer, and the rest once it may go on."""

    def __init__(self) -> None:
        self.go = threading.Event()

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        """Answer one run."""
        place = report.progress("Writing the answer", output_text=FIRST)
        await asyncio.to_thread(self.go.wait, 20)
        report.replace(place, output_text=WHOLE)
        report.progress("Run finished.", state="completed")
        return RunResult(WHOLE, usage=USAGE, model="tide-1")
