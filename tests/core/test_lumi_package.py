"""Lumi.new's client as a package: signatures, secrets, halves, sockets, and forked processes."""

from __future__ import annotations

import asyncio
import copy
import inspect
import logging
import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumnisai_core import exceptions, lumi
from lumnisai_core._transport.pool import HTTPClient
from lumnisai_core.exceptions import ConfigurationError, LumnisAIError
from lumnisai_core.lumi import AsyncClient, Client
from lumnisai_core.lumi.calls.accounts import password_hash
from lumnisai_core.lumi.config import settings_from, signature
from lumnisai_core.lumi.streams import Deltas
from tests.core.backend import (
    API_KEY,
    DOCUMENT,
    EMAIL,
    HASH,
    PASSWORD,
    PROJECT,
    SIGN_KEY,
    SIGNED_IN,
    TOKEN,
    TOP_KEY,
    bad,
    good,
)
from tests.loops import no_blocking
from tests.servers import CannedServer, canned_server

SECRETS = (TOKEN, API_KEY, SIGN_KEY, TOP_KEY, PASSWORD, HASH)


def client_to(server: CannedServer, **known: Any) -> Client:
    settings = {"sign_key": SIGN_KEY, "api_key": API_KEY, "top_access_key": TOP_KEY, **known}
    return Client(PROJECT, server.base_url, **settings)


# Signatures


@pytest.mark.parametrize(
    ("query", "payload", "expected"),
    [
        ([], b"", "7BuzwLgpRpqo94pPnZRnB7MK5JwPbQRJSNUOTmiTD8Y="),
        (
            [],
            '{"filter":{"city":"Zürich"},"sort":{"createdAt":-1}}'.encode(),
            "zlb1cfYPJVytVCNdaHcNyWpw3bMGckmcBVlUeI4sFLg=",
        ),
        ([("ids", "a 1"), ("ids", "b!2")], b"", "OiDVZWikWwF1fKXGfd6xAg4Op6TVbsKHN7FawWSWYwo="),
    ],
)
def test_the_three_vectors_of_the_signature(query: list[tuple[str, str]], payload: bytes, expected: str) -> None:
    """As the wire reference has them; repeated parameters are signed as one."""
    assert signature(SIGN_KEY, timestamp=1760000000, nonce="k3j2h1g0f9e", query=query, payload=payload) == expected


def test_the_vector_of_the_password() -> None:
    """SHA-256 of the UTF-8 password, in lower-case hex, hidden in its own text."""
    hashed = password_hash(PASSWORD)
    assert (hashed.get_secret_value(), str(hashed)) == (HASH, "**********")


def test_parameters_are_signed_in_the_order_of_utf_16() -> None:
    """As JavaScript sorts: a letter beyond the basic plane comes before U+FF5E."""
    pairs = [("\uff5e", "1"), ("\U0001f30a", "2"), ("a", "3")]
    sign = [signature("k", timestamp=1, nonce="n", query=order, payload=b"") for order in (pairs, pairs[::-1])]
    assert sign[0] == sign[1]


# Streams


@given(st.lists(st.text("ab \n", min_size=1, max_size=4), max_size=6))
def test_pieces_of_a_text_are_never_lost(pieces: list[str]) -> None:
    """Whole texts so far are told from pieces, but for pieces that might be whole texts all along."""

    def read(contents: list[str]) -> str:
        deltas = Deltas()
        return "".join([*(deltas.feed(content) for content in contents), deltas.finish()])

    text = "".join(pieces)
    assert read(["".join(pieces[: count + 1]) for count in range(len(pieces))]) == text
    looks_whole = len(pieces) > 1 and all(
        later.startswith(earlier) and later != earlier for earlier, later in pairwise(pieces[:3])
    )
    if not looks_whole:
        assert read(pieces) == text


# Secrets


def test_secrets_show_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """In no text of a client or result, in no error although the service quotes them, in no log, hook or pickle."""
    caplog.set_level(logging.DEBUG, logger="lumnisai_core")
    seen: list[object] = []
    quoting = bad(400, f"No: {TOKEN} {API_KEY} {SIGN_KEY} {TOP_KEY} {HASH}", headers={"X-Request-ID": TOKEN})
    with canned_server([good(SIGNED_IN), quoting]) as server:
        with client_to(server, on_request=seen.append, on_response=seen.append) as client:
            seen.append(client.auth.sign_in_with_password(EMAIL, PASSWORD))
            ai, posts = client.tools.ai, client.entities.Posts
            calls: list[Callable[[], object]] = [
                lambda: ai.generate_text("Hello"),
                lambda: list(ai.parse_stream(ai.generate_text_stream("Hello"))),
                lambda: ai.generate_image("A lake"),
                posts.list,
                client.auth.refresh_user,
            ]
            for call in calls:
                try:
                    seen.append(call())
                except LumnisAIError as error:
                    seen += [error, vars(error), error.__cause__, pickle.dumps(error).decode("latin-1")]
            seen += [client, client.auth, client.entities.Posts, client.tools, client._service, client.auth.user]
            for thing in (client, copy.copy(client), client._service):
                with pytest.raises(TypeError, match=r"cannot be (copied or )?pickled"):
                    pickle.dumps(thing)
    text = "\n".join([*map(repr, seen), *map(str, seen), caplog.text])
    assert [secret for secret in SECRETS if secret in text] == []
    assert "[redacted]" in text


def test_the_token_is_there_for_who_asks() -> None:
    """As the product documents it."""
    with canned_server([good(SIGNED_IN)]) as server, client_to(server) as client:
        assert client.auth.sign_in_with_password(EMAIL, PASSWORD).access_token == TOKEN
        assert client.auth.access_token == TOKEN


# Settings


def test_settings_come_from_arguments_then_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty key leaves out that of the environment; the header's scheme may be there or not."""
    environment = {"LUMI_PROJECT_ID": "p1", "LUMI_API_BASE_URL": "http://127.0.0.1:9/x/", "TOP_ACCESS_KEY": TOP_KEY}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with Client() as client:
        assert repr(client) == "Client(project_id='p1', api_base_url='http://127.0.0.1:9/x')"
    service = settings_from(environment={**environment, "LUMI_API_KEY": API_KEY, "LUMI_SIGN_KEY": SIGN_KEY}).service
    assert {secret.get_secret_value() for secret in service.secrets()} == {TOP_KEY, API_KEY, SIGN_KEY}
    assert settings_from(top_access_key="", environment=environment).service.secrets() == ()
    for header in (TOKEN, f"Bearer {TOKEN}", f" bearer  {TOKEN} "):
        session = settings_from(authorization=header, environment=environment).service.session
        assert session.token is not None
        assert session.token.get_secret_value() == TOKEN


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "LUMI_PROJECT_ID"),
        ({"project_id": ".."}, "LUMI_PROJECT_ID"),
        ({"project_id": "p1"}, "LUMI_API_BASE_URL"),
        ({"project_id": "p1", "api_base_url": "ftp://x"}, "api_base_url must be an http or https address"),
        ({"project_id": "p1", "api_base_url": "http://127.0.0.1", "timeout": 0}, "timeout must be"),
        ({"project_id": "p1", "api_base_url": "http://127.0.0.1", "max_retries": -1}, "max_retries must be"),
        ({"project_id": "p1", "api_base_url": "http://127.0.0.1", "authorization": "Bearer a b"}, "The token contains"),
        ({"project_id": "p1", "api_base_url": "http://127.0.0.1", "authorization": 5}, "authorization must be"),
        (
            {"project_id": "p1", "api_base_url": "http://127.0.0.1", "default_headers": {"X-Sign": "x"}},
            "must not set X-Sign",
        ),
    ],
)
def test_settings_that_cannot_be_used_are_refused(arguments: dict[str, Any], problem: str) -> None:
    """When the client is made, with the name of the argument or variable."""
    with pytest.raises(ConfigurationError, match=problem):
        settings_from(**arguments, environment={})


# The package


@pytest.mark.processes
def test_it_needs_neither_a_server_nor_a_framework() -> None:
    """The import stays light."""
    heavy = ("starlette", "langchain_core", "llama_index", "mongomock", "httpx")
    code = f"import sys, lumnisai_core.lumi; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_both_halves_have_the_same_calls() -> None:
    """With the same parameters; names of the official package stay."""
    blocking, other = Client(PROJECT, "http://127.0.0.1:9"), AsyncClient(PROJECT, "http://127.0.0.1:9")
    for part in ("auth", "entities.Posts", "tools.email", "tools.file", "tools.ai", "functions"):
        ours, theirs = blocking, other
        for name in part.split("."):
            ours, theirs = getattr(ours, name), getattr(theirs, name)
        names = [name for name in dir(type(ours)) if not name.startswith("_")]
        assert names == [name for name in dir(type(theirs)) if not name.startswith("_")]
        for name in names:
            if callable(getattr(type(ours), name)):
                parameters = [list(inspect.signature(getattr(one, name)).parameters) for one in (ours, theirs)]
                assert parameters[0] == parameters[1]
    assert lumi.LumiError is exceptions.LumnisAIError
    assert all(hasattr(lumi, name) for name in lumi.__all__)


def test_nothing_blocks_the_event_loop() -> None:
    """Neither calls nor uploads nor signatures."""

    async def main(address: str) -> None:
        async with AsyncClient(PROJECT, address, sign_key=SIGN_KEY) as client:
            await client.entities.Posts.list()
            await client.tools.file.upload([("a.txt", b"x")])

    with canned_server([good([DOCUMENT]), good([{"fileName": "a.txt"}])]) as server:
        with no_blocking():
            asyncio.run(main(server.base_url))


def test_many_clients_leave_no_socket() -> None:
    """A thousand, one for each user's token, of which each fifth calls; half of them over connections of the caller."""

    def sockets() -> int:
        return sum("socket:" in str(path.resolve()) for path in Path("/proc/self/fd").iterdir())

    with canned_server([good(DOCUMENT)]) as server, HTTPClient(trust_env=False) as own:
        own.get(server.base_url)
        before = sockets()
        for number in range(1000):
            known = {} if number < 500 else {"http_client": own}
            with client_to(server, authorization=f"token-{number}", **known) as client:
                if number % 5 == 0:
                    client.entities.Posts.get("x")
        assert sockets() <= before
        tokens = [request.headers["authorization"] for request in server.received[1:]]
    assert tokens == [f"Bearer token-{number}" for number in range(0, 1000, 5)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked on this system")
def test_a_forked_child_works_for_the_same_user() -> None:
    """Over a connection of its own, and with a lock of its own."""
    with canned_server([good(SIGNED_IN), good(DOCUMENT)]) as server, client_to(server) as client:
        client.auth.sign_in_with_password(EMAIL, PASSWORD)
        ours, theirs = multiprocessing.Pipe(duplex=False)

        def work() -> None:
            document = client.entities.Posts.get("x")
            client.auth.sign_out()
            theirs.send((document, client.auth.access_token))

        process = multiprocessing.get_context("fork").Process(target=work, daemon=True)
        process.start()
        assert ours.poll(30)
        assert ours.recv() == (DOCUMENT, None)
        process.join(120)
        assert client.auth.access_token == TOKEN
        assert client.entities.Posts.get("x") == DOCUMENT
