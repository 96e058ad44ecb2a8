"""One framework in a process of its own.

``python -m tests.benchmarks.child_calls WHAT FRAMEWORK ROUNDS URL KEY OPENAI`` prints what
:func:`tests.benchmarks.timing.rounds_of` found, as JSON.
"""

from __future__ import annotations

import json
import sys

from tests.benchmarks.profiles import framework_of
from tests.benchmarks.timing import rounds_of


def main(what: str, framework: str, rounds: int, *where: str) -> list[dict[str, float]]:
    measured = framework_of(framework)
    if what == "construction":
        return rounds_of(measured.constructions(), rounds=rounds)
    with measured.calls(*where) as actions:
        return rounds_of(actions, rounds=rounds)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])))
