"""`make privacy`: scores and speed of detectors, ours beside those of others, in one run."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from tests.privacy import others, sentences
from tests.privacy.scoring import STRUCTURED, Detect, score
from tests.privacy.systems import SYSTEMS

_COLUMNS = "{:24} {:8} {:>9} {:>6} {:>6} {:>10} {:>7} {:>10} {:>12}"
_FIRST = "{}; import time; t = time.process_time(); {}; print(time.process_time() - t)"
_READY = {
    "ours, beyond the service": (
        "import lumnisai_core.local as it",
        "it.PatternDetector().detect('call 0151 4960251')",
    ),
    "Presidio": ("", "import presidio_analyzer"),
}


def main() -> None:
    """Print a row for each system and set."""
    parser = argparse.ArgumentParser(prog="make privacy ARGS=...", description=__doc__)
    parser.add_argument("--only", choices=SYSTEMS, help="one system")
    parser.add_argument("--sample", type=int, default=1, help="use every n-th sentence, for a quicker look")
    parser.add_argument("--show-misses", action="store_true", help="print what was not found, and what was wrong")
    options = parser.parse_args()
    sets = {"own": [*sentences.sentences()], "others": [*others.sentences()]}
    harmless = sentences.harmless()
    print(
        _COLUMNS.format(
            "system", "set", "precision", "recall", "F2", "structured", "hidden", "false/100", "chars/CPU s"
        )
    )
    for name, make in SYSTEMS.items():
        if options.only not in (None, name):
            continue
        detect = make()
        false = score(harmless, detect).findings * 100 / len(harmless)
        for which, known in sets.items():
            chosen = known[:: options.sample]
            scored = score(chosen, detect)
            numbers = (scored.precision, scored.recall(), scored.f2, scored.recall(STRUCTURED), scored.hidden)
            speed = _speed(detect, [sentence.text for sentence in chosen])
            print(_COLUMNS.format(name, which, *(f"{n:.3f}" for n in numbers), f"{false:.1f}", f"{speed:,.0f}"))
            if options.show_misses:
                for kind, span, text in scored.missed:
                    print(f"    missed {kind} {span!r} in {text!r}")
                for span, text in scored.wrong:
                    print(f"    wrong {span!r} in {text!r}")
    for name, (before, then) in _READY.items():
        command = [sys.executable, "-c", _FIRST.format(before or "pass", then)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"until the first text, {name}: {float(done.stdout):.2f} CPU seconds")


def _speed(detect: Detect, texts: list[str]) -> float:
    """Return characters a CPU second, over as many texts as three seconds allow; scoring has warmed the detector up."""
    start, characters = time.process_time(), 0
    for text in texts:
        detect(text)
        characters += len(text)
        if time.process_time() - start > 3:
            break
    return characters / (time.process_time() - start)


if __name__ == "__main__":
    main()
