"""Where redirects lead, and what may be sent there."""

from __future__ import annotations

import pytest

from lumnisai_core._transport.answer import Answer
from lumnisai_core._transport.redirect import redirected
from lumnisai_core._transport.request import Request
from lumnisai_core.exceptions import TransportError


def request(method: str = "GET", url: str = "https://api.example/v1/files/f/download") -> Request:
    headers = {"Accept": "a", "User-Agent": "u", "X-Mine": "secret", "Idempotency-Key": "k"}
    return Request(method, url, (("user_id", "u"),), headers, None if method == "GET" else b"{}", 30.0)


@pytest.mark.parametrize(
    ("location", "url", "authorised"),
    [
        ("/v2/x", "https://api.example/v2/x", True),
        ("https://api.example:443/x?a=1", "https://api.example:443/x?a=1", True),
        ("https://blob.example/x?sig=1", "https://blob.example/x?sig=1", False),
        ("https://api.example:8443/x", "https://api.example:8443/x", False),
        ("http://api.example/x", "http://api.example/x", False),
        ("//evil.example/x", "https://evil.example/x", False),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_reading_is_redirected_and_credentials_stay_at_home(
    status: int, location: str, url: str, authorised: bool
) -> None:
    """Another scheme, host or port sees neither the key nor any header of the caller."""
    further = redirected(request(), Answer(status, {"location": location}))
    assert further is not None
    assert (further.url, further.query, further.authorised) == (url, (), authorised)
    assert set(further.headers) == ({"Accept", "User-Agent"} if not authorised else set(request().headers))


def test_a_host_that_turns_to_https_keeps_the_credential() -> None:
    """The only change of origin that is safe."""
    further = redirected(request(url="http://api.example/x"), Answer(301, {"location": "https://api.example/x"}))
    assert further is not None
    assert further.authorised


@pytest.mark.parametrize("status", [307, 308])
def test_data_is_sent_again_only_to_the_same_host(status: int) -> None:
    """The body goes along where the method stays."""
    further = redirected(request("POST"), Answer(status, {"location": "/v1/elsewhere"}))
    assert further is not None
    assert (further.method, further.content, further.url) == ("POST", b"{}", "https://api.example/v1/elsewhere")


@pytest.mark.parametrize(
    ("method", "status", "location"),
    [
        ("POST", 302, "/v1/elsewhere"),
        ("POST", 307, "https://evil.example/x?token=1"),
        ("DELETE", 303, "/x"),
        ("GET", 302, "ftp://api.example/x"),
        ("GET", 302, "http:///x"),
        ("GET", 302, "javascript:alert(1)"),
    ],
)
def test_other_redirects_are_refused(method: str, status: int, location: str) -> None:
    """A request is never turned into another one, and data never goes to another host."""
    with pytest.raises(TransportError, match="redirects to") as caught:
        redirected(request(method), Answer(status, {"location": location}))
    assert "token" not in str(caught.value)


@pytest.mark.parametrize("answer", [Answer(200), Answer(304), Answer(302), Answer(404, {"location": "/x"})])
def test_other_answers_are_not_redirects(answer: Answer) -> None:
    """A 3xx without a place to go is an ordinary answer."""
    assert redirected(request(), answer) is None
