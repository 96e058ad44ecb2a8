"""Experiments in a process of their own: ``python -m tests.benchmarks.child_experiment WHAT URL COUNT``.

WHAT is ``map`` (seconds of ``responses.map`` with a ledger) or ``experiment`` (seconds of an experiment with the same
runs, a ledger, a scorer and a line of progress), both with the default number of runs in flight.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from lumnisai_core import AsyncClient
from lumnisai_integrations.experiments import Contains, Experiment


async def main(what: str, base_url: str, count: int, ledger: Path) -> list[float]:
    rows = [{"id": number, "question": f"row {number}", "expected": "done"} for number in range(count)]
    async with AsyncClient("key", base_url=base_url, user_id="u") as client:
        await client.invoke("Hi")
        started = time.perf_counter()
        if what == "map":
            inputs = [str(row["question"]) for row in rows]
            outcomes = client.responses.map(inputs, ledger=ledger, progress=lambda _: None)
            assert not [one async for one in outcomes if one.error]
        else:
            experiment = Experiment("bench", rows, {"v": "{question}"}, [Contains()], client=client, ledger=ledger)
            results = await experiment.arun(progress=lambda _: None)
            assert not [trial for trial in results.trials if trial.error]
        return [time.perf_counter() - started]


if __name__ == "__main__":
    os.environ.pop("LUMNISAI_BASE_URL", None)
    with tempfile.TemporaryDirectory() as folder:
        arguments = (sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(folder) / "ledger.jsonl")
        sys.stdout.write(json.dumps(asyncio.run(main(*arguments))))
