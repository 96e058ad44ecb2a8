"""One documented call as a row of a table: what it sends, and what it makes of the answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from lumnisai_core import AsyncClient
from tests.servers import Canned, Received, canned_server

READER = "reader@example.org"


@dataclass(frozen=True)
class Row:
    """A call with its request and answers.

    Attributes:
        call: Makes the call with a client whose user is READER.
        sends: Method and path.
        query: The query as it must arrive.
        body: The JSON body as it must arrive; None for none.
        full: An answer with everything that is documented.
        read: What is read from that answer, as a dict of expressions on ``it`` and their values.
        sparse: An answer with as little as possible, and odd things, which must be readable too.
        client: Settings of the client, instead of the user READER.
    """

    call: Callable[[AsyncClient], Awaitable[Any]]
    sends: str
    full: Any
    sparse: Any = None
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    read: dict[str, Any] = field(default_factory=dict)
    client: dict[str, Any] = field(default_factory=lambda: {"user_id": READER})


def table(rows: list[Row]) -> pytest.MarkDecorator:
    """Run a test for each row."""
    ids = [f"{row.sends} {number}" for number, row in enumerate(rows)]
    return pytest.mark.parametrize("row", rows, ids=ids)


async def exchanged(row: Row, reply: Any) -> tuple[Received, Any]:
    """Make the call against this answer, and return the request as it arrived and the result."""
    with canned_server([Canned(body=b"" if reply is None else reply)]) as server:
        async with AsyncClient("lmn_test_key", base_url=server.base_url, **row.client) as client:
            result = await row.call(client)
        assert len(server.received) == 1
        return server.received[0], result


async def check_request(row: Row) -> None:
    """Compare what arrives, and what is read from the full answer, with the row."""
    received, result = await exchanged(row, row.full)
    url = urlsplit(received.path)
    arrived = (
        f"{received.method} {unquote(url.path)}",  # an HTTP library may write @ for %40
        dict(parse_qsl(url.query, keep_blank_values=True)),
        json.loads(received.body) if received.body else None,
    )
    assert arrived == (unquote(row.sends), row.query, row.body), arrived
    for expression, value in row.read.items():
        found = eval(expression, {"it": result})
        assert found == value, f"{expression} is {found!r}"


async def check_sparse_answer(row: Row) -> None:
    """Read the sparse answer."""
    await exchanged(row, row.sparse)
