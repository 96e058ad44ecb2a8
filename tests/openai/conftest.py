"""Fixtures: a service whose runs go as a test says, and the unmodified client of OpenAI."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from lumnisai_core.local import LocalLumnis
from tests.openai.engine import Stage


@pytest.fixture(scope="module")
def stage() -> Stage:
    """Decides how runs go, for the tests of one module."""
    return Stage()


@pytest.fixture(scope="module")
def local(stage: Stage) -> Iterator[LocalLumnis]:
    """A service with the engine of the stage, also as an agent by name."""
    with LocalLumnis(engine=stage, agents={"scribe": stage}) as service:
        yield service


@pytest.fixture(scope="module")
def address(local: LocalLumnis) -> str:
    """The address of the endpoint."""
    return local.openai_base_url


@pytest.fixture
def client(local: LocalLumnis, address: str, stage: Stage) -> Iterator[openai.OpenAI]:
    """The client of OpenAI, with its own defaults."""
    stage.clear()
    with openai.OpenAI(api_key=local.api_key, base_url=address) as made:
        yield made
