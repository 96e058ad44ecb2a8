"""The switches and names of the conventions for generative AI, and a tracer provider that the environment names."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lumnisai_core.lumnis.runs import genai
from tests.servers import Canned, canned_server


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", False),
        ("http", False),
        ("gen_ai", False),
        ("gen_ai_latest_experimental", True),
        ("http/dup, gen_ai_latest_experimental", True),
        ("GEN_AI_LATEST_EXPERIMENTAL", True),
    ],
)
def test_the_opt_in_is_an_item_of_a_list(value: str, expected: bool) -> None:
    """Other items are about other conventions."""
    assert genai.switches({genai.VERSION_VARIABLE: value}).is_latest is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", False), ("false", False), ("event_only", False), ("no_content", False)]
    + [(value, True) for value in ("true", "True", "span_only", "SPAN_AND_EVENT")],
)
def test_texts_are_recorded_on_spans_for_some_values_only(value: str, expected: bool) -> None:
    """``event_only`` asks for texts elsewhere."""
    assert genai.switches({genai.CONTENT_VARIABLE: value}).has_content is expected


def test_every_renamed_name_is_one_of_ours() -> None:
    """The table of renames translates names that are emitted, and nothing twice."""
    emitted = {value for name, value in vars(genai).items() if name.isupper() and isinstance(value, str)}
    emitted |= set(genai.TOKENS.values())
    assert genai.RENAMED.keys() <= emitted
    assert not genai.RENAMED.keys() & set(genai.RENAMED.values())
    assert genai.latest({"gen_ai.tool.name": 1, **dict.fromkeys(genai.RENAMED, 2)}) == {
        "gen_ai.tool.name": 1,
        **dict.fromkeys(genai.RENAMED.values(), 2),
    }


PROGRAM = """
import sys
import opentelemetry.trace
from lumnisai_core import Client
Client("k", base_url=sys.argv[1], user_id="u").invoke("Hi")
"""


@pytest.mark.processes
def test_a_provider_that_the_environment_names_is_used() -> None:
    """Nobody has to ask for it before the first run."""
    created = {"response_id": "r-1", "thread_id": "t-1", "status": "queued"}
    ended = {**created, "status": "succeeded", "output_text": "Noon."}
    with canned_server([Canned(body=created), Canned(body=ended)]) as server:
        environment = {**os.environ, "OTEL_PYTHON_TRACER_PROVIDER": "sdk_tracer_provider"}
        command = [sys.executable, "-c", PROGRAM, server.base_url]
        subprocess.run(command, env=environment, check=True, timeout=120)
        assert all("traceparent" in request.headers for request in server.received)
