"""The detectors that are compared, each as a function from a text to spans. None of them calls out to the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from lumnisai_core.local import NameDetector, PatternDetector
from lumnisai_core.local.liminal.detection import resolved
from tests.privacy.presidio import PresidioDetector
from tests.privacy.scoring import Detect, Spans

_KINDS = ("email", "credit_card", "ip", "mac_address", "url")


def ours() -> Detect:
    """The detector of the embedded gateway, without a model."""
    detector = PatternDetector()
    return lambda text: [(found.start, found.end) for found in detector.detect(text)]


def with_names() -> Detect:
    """The same beside the model of the extra `liminal-ner`."""
    patterns, names = PatternDetector(), NameDetector()
    return lambda text: [
        (found.start, found.end) for found in resolved(text, [*patterns.detect(text), *names.detect(text)])
    ]


def presidio() -> Detect:
    """Presidio's pattern recognisers for English, without a model for names."""
    detector = PresidioDetector()
    return lambda text: [(found.start, found.end) for found in detector.detect(text)]


def middleware() -> Detect:
    """All detectors of LangChain's PIIMiddleware."""
    pii = import_module("langchain.agents.middleware").PIIMiddleware
    detectors = [pii(kind).detector for kind in _KINDS]

    def detect(text: str) -> Spans:
        return [(found["start"], found["end"]) for detector in detectors for found in detector(text)]

    return detect


#: By the names that are printed.
SYSTEMS: Mapping[str, Callable[[], Detect]] = {
    "ours, no model": ours,
    "ours, with liminal-ner": with_names,
    "Presidio patterns": presidio,
    "PIIMiddleware": middleware,
}
