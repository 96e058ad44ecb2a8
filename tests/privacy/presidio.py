"""Presidio as a detector of the embedded gateway: the example of docs/liminal/detection.md, tried by `make privacy`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from lumnisai_core.local import Detection


class PresidioDetector:
    """Presidio's recognisers of patterns, built so that nothing is downloaded.

    `AnalyzerEngine()` would download a spaCy model, and its e-mail recogniser a list of domains: an empty pipeline and
    the list that `tldextract` brings take their place.
    """

    def __init__(self) -> None:
        modules: list[Any] = [*map(import_module, ("presidio_analyzer", "spacy", "tldextract"))]
        analyzer, spacy, tldextract = modules
        tldextract.extract = tldextract.TLDExtract(suffix_list_urls=())
        nlp: Any = import_module("presidio_analyzer.nlp_engine").SpacyNlpEngine()
        nlp.nlp = {"en": spacy.blank("en")}
        registry = analyzer.RecognizerRegistry()
        registry.load_predefined_recognizers(languages=["en"], nlp_engine=nlp)
        registry.remove_recognizer("SpacyRecognizer")
        self._engine = analyzer.AnalyzerEngine(registry=registry, nlp_engine=nlp, supported_languages=["en"])

    def detect(self, text: str) -> Iterator[Detection]:
        """Find the sensitive spans of a text."""
        for found in self._engine.analyze(text, language="en"):
            yield Detection(found.entity_type, found.start, found.end, found.score)
