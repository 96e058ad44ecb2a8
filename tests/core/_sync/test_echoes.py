# Generated from tests/core/_async/test_echoes.py by `make sync`; edit that file.
"""Services that quote the key, over real sockets: it shows nowhere."""

from __future__ import annotations

import traceback

import pytest

from lumnisai_core import Client
from lumnisai_core.exceptions import LumnisAIError
from tests.servers import Canned, canned_server

KEY = "lmn_AbC+d/e=9"
HALF = KEY.replace("+", r"\u002b").replace("/", r"\/")


@pytest.mark.parametrize(
    "answer",
    [
        Canned(401, f'{{"detail": "The key {KEY} is wrong."}}'.encode()),
        Canned(401, f'{{"detail": {{"error": {{"code": "BAD {HALF}", "message": "{HALF}"}}}}}}'.encode()),
        Canned(502, f"<p>lmn_AbC&#43;d&#x2f;e=9 or {KEY.replace('+', '%2b')}</p>".encode()),
        Canned(200, f'{{"half": "{HALF}'.encode()),
        Canned(404, {"detail": "No."}, {"X-Request-ID": f"req-{KEY}"}),
        Canned(308, b"", {"Location": f"ftp://127.0.0.1/{KEY}?k={KEY}", "X-Request-ID": KEY}),
        Canned(302, b"", {"Location": f"/v1/lmn_AbC%2Bd%2Fe%3D9/{KEY}"}),
    ],
)
def test_a_key_that_the_service_quotes_shows_nowhere(answer: Canned) -> None:
    """Neither in the error and all that it holds, nor in what hooks and tracebacks get."""
    seen: list[object] = []
    with canned_server([answer]) as server:
        with Client(KEY, base_url=server.base_url, user_id="u", max_retries=0, on_response=seen.append) as client:
            with pytest.raises(LumnisAIError) as caught:
                client.get_thread("t-1")
    error = caught.value
    shown = f"{error} {error.args} {vars(error)} {seen} {''.join(traceback.format_exception(error))}"
    assert "[redacted]" in shown
    assert "AbC" not in "".join(line for line in shown.splitlines() if "KEY" not in line)


def test_a_redirect_with_the_key_in_it_is_followed_as_it_is() -> None:
    """The address is only redacted where it is shown."""
    redirect = Canned(307, b"", {"Location": f"/v1/threads/t-1?key={KEY}"})
    with canned_server([redirect, Canned(200, {"thread_id": "t-1"})]) as server:
        with Client(KEY, base_url=server.base_url, user_id="u") as client:
            assert (client.get_thread("t-1")).thread_id == "t-1"
    assert server.received[1].path == f"/v1/threads/t-1?key={KEY}"
