"""The goals of detection, and detectors of others in the gateway, in the environment of `make privacy`."""

from __future__ import annotations

import socket
from typing import NoReturn

import pytest

pytest.importorskip("presidio_analyzer", reason="make privacy has an environment of its own")

from lumnisai_core.liminal import Client
from lumnisai_core.local import Detector, LiminalInstance, LiminalSettings, LocalLumnis, NameDetector, PatternDetector
from tests.privacy import others, sentences, systems
from tests.privacy.presidio import PresidioDetector
from tests.privacy.scoring import STRUCTURED, score

pytestmark = pytest.mark.filterwarnings("ignore")  # from packages of others

LONG = "The tide is high and the harbour is calm today. " * 400


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may look up a host."""

    def refuse(*args: object, **known: object) -> NoReturn:
        raise AssertionError("a detector has called out")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_structured_data_is_found_without_a_model() -> None:
    """On our own sentences and on those by others, with hardly a false finding in harmless ones."""
    detect = systems.ours()
    assert score(sentences.sentences(), detect).recall(STRUCTURED) >= 0.98
    assert score(others.sentences(), detect).recall(STRUCTURED) >= 0.90
    harmless = sentences.harmless()
    assert len(harmless) >= 96
    assert score(harmless, detect).findings <= 0.05 * len(harmless)


def test_presidio_is_a_detector(no_network: None) -> None:
    """Built by hand it calls nobody, also for e-mail addresses."""
    found = [one.type for one in PresidioDetector().detect("Mail ann@example.org from 192.168.1.7")]
    assert {"EMAIL_ADDRESS", "IP_ADDRESS"} <= {*found}


def test_harmless_texts_stay_as_they_are_with_the_model() -> None:
    """The model takes little that is harmless for a name, and never a literal in the place of one."""
    detector, harmless = NameDetector(), sentences.harmless()
    assert score(harmless, systems.with_names()).findings <= 0.05 * len(harmless)
    for literal in ("true", "null", "None"):
        assert [*detector.detect(f'{{"owner": {literal}, "name": "x"}}')] == []


@pytest.mark.timeout(600)  # 100,000 characters take the model a minute
def test_names_are_found_anywhere_in_a_long_text(no_network: None) -> None:
    """The model sees a window at a time; each name of the text is in one of them."""
    text = f"{LONG}I met Mira Okafor in Hamburg. {LONG * 6}Then Jonas Lindqvist came. {LONG}"
    found = {text[one.start : one.end] for one in NameDetector().detect(text) if one.type == "PERSON"}
    assert {"Mira Okafor", "Jonas Lindqvist"} <= found
    assert len(text) > 100_000


def test_names_become_placeholders_in_the_gateway() -> None:
    """The model beside the patterns; addresses are one finding each."""
    detectors: list[Detector] = [PatternDetector(), NameDetector()]
    settings = LiminalSettings(instances=[LiminalInstance("A")], detectors=detectors)
    with LocalLumnis(liminal=settings) as local, Client(local.liminal.base_url, token=local.liminal.token) as client:
        cleansed = client.prompt.cleanse(1, "Yesterday Mira Okafor moved to 12 Harbour Street, Boston.")
    assert cleansed.text == "Yesterday PERSON_0 moved to LOCATION_0."
