"""What tests of a private agent on an application's data share: a service that notes what its agents read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import lumnisai_core.lucidic as lai
from lumnisai_core.local import LocalLumnis, OfflineEngine, RunReport, RunRequest, RunResult
from lumnisai_core.lumi import Client

NAME, MAIL = "Mira Okafor", "mira@example.org"
CONTACT = {"name": f"Dr {NAME}", "email": MAIL}
QUESTION = f'Call lumi_create_document(collection="Contacts", data={json.dumps(CONTACT)}).'


class Noting(OfflineEngine):
    """The offline engine, with all that its agents were asked."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[RunRequest] = []

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        self.requests.append(request)
        return await super().run(request, report)


@contextmanager
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Noting]:
    """Run all four platforms, with their settings in the environment."""
    engine = Noting()
    with LocalLumnis(engine=engine) as local:
        for name, value in local.environment().items():
            monkeypatch.setenv(name, value)
        yield engine


def check(engine: Noting, session_id: str) -> None:
    """Check who has the true values: the application's data, neither the model nor what Lucidic recorded."""
    with Client() as lumi:
        saved = lumi.entities.Contacts.list().list
    assert [{name: one[name] for name in CONTACT} for one in saved] == [CONTACT]
    lai.flush(10)
    with lai.Client() as lucidic:
        events = lucidic.events.list(session_id=session_id)
        recorded = json.dumps([event.model_dump(mode="json") for event in events])
    models = [event for event in events if event.type == "llm_generation"]
    assert engine.requests
    assert models
    for seen in (repr(engine.requests), recorded):
        assert NAME not in seen
        assert MAIL not in seen
        assert "EMAIL_ADDRESS_0" in seen
