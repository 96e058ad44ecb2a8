"""What the privacy guard adds to a chain and to a stream: ``python -m tests.benchmarks.child_guard ROUNDS``.

It prints the seconds that a call takes more, the CPU seconds of it, which do not depend on what else the machine does,
and the seconds that a piece of a stream takes more, for each round, as JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from langchain_core.runnables import Runnable, RunnableGenerator, RunnableLambda

from lumnisai_core.liminal import Client
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.langchain import LiminalGuard

#: A text of 1,000 characters with six values.
TEXT = (
    "Please tell mira@example.org or +49 30 901820 that the card 4111 1111 1111 1111 was charged on 14 March 2026. "
    "The server 192.0.2.17 had answered, see https://example.org/orders. "
    + "And so on and so forth, as it was agreed. "
    * 40
)[:1000]
_CALLS = 20
_PIECES = 500


def main(rounds: int) -> list[list[float]]:
    """Measure all three, and return the values of all rounds."""
    with LocalLumnis() as local, Client(local.liminal.base_url, token=local.liminal.token) as client:
        guard = LiminalGuard(client)
        whole: Runnable[Any, Any] = RunnableLambda(str)
        pieces: Runnable[Any, Any] = RunnableGenerator(_words)
        guard.chain(whole).invoke(TEXT)
        return [
            [
                _added(whole, guard.chain(whole), time.perf_counter),
                _added(whole, guard.chain(whole), time.process_time),
                _added_to_pieces(pieces, guard.chain(pieces)),
            ]
            for _ in range(rounds)
        ]


def _words(texts: Iterator[str]) -> Iterator[str]:
    for _ in texts:
        for _ in range(_PIECES):
            yield "Hello "


def _added(bare: Runnable[Any, Any], guarded: Runnable[Any, Any], clock: Callable[[], float]) -> float:
    return statistics.median(_seconds(guarded, clock) - _seconds(bare, clock) for _ in range(_CALLS))


def _seconds(chain: Runnable[Any, Any], clock: Callable[[], float]) -> float:
    started = clock()
    chain.invoke(TEXT)
    return clock() - started


def _added_to_pieces(bare: Runnable[Any, Any], guarded: Runnable[Any, Any]) -> float:
    return _seconds_of_pieces(guarded) - _seconds_of_pieces(bare)


def _seconds_of_pieces(chain: Runnable[Any, Any]) -> float:
    """Return the mean time between two pieces; the first one does not count, it waits for the gateway."""
    pieces = chain.stream(TEXT)
    next(pieces)
    started = time.perf_counter()
    count = sum(1 for _ in pieces)
    return (time.perf_counter() - started) / count


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(int(sys.argv[1]))))
