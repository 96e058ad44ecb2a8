"""What is measured of the client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lumnisai_core import Client
from tests.benchmarks.raw import two_raw_calls
from tests.benchmarks.timing import Action


@contextmanager
def calls(base_url: str, api_key: str, to_openai: str) -> Iterator[Mapping[str, Action]]:
    """Offer whole calls by what makes them."""
    with (
        two_raw_calls(base_url, api_key) as raw,
        Client(api_key, base_url=base_url, user_id="u") as client,
    ):
        yield {"raw": raw, "core": lambda: client.invoke("Hi")}


def constructions() -> Mapping[str, Action]:
    """Return what makes a client."""
    return {"own": lambda: Client("key", base_url="http://127.0.0.1:9", user_id="u")}
