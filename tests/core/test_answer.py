"""Reading answers and errors."""

from __future__ import annotations

import json

import pytest

from lumnisai_core._transport.answer import Answer, Problem, model, models, nothing, shortened, words_of
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.service import Service
from lumnisai_core.exceptions import (
    AuthenticationError,
    ConflictError,
    LumnisAIError,
    NotFoundError,
    RateLimitError,
    TransportError,
    ValidationError,
)
from lumnisai_core.lumnis.models import ThreadList, ThreadObject

CALL = Call("GET", "/v1/threads", model(ThreadList))
SERVICE = Service("Harbour", "https://harbour.example")


def error_of(answer: Answer, *, now: float = 0.0, call: Call[ThreadList] = CALL) -> LumnisAIError:
    with pytest.raises(LumnisAIError) as caught:
        SERVICE.result_of(call, answer, now=now)
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ValidationError),
        (401, AuthenticationError),
        (402, ValidationError),
        (403, AuthenticationError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, ValidationError),
        (422, ValidationError),
        (429, RateLimitError),
        (302, TransportError),
        (500, TransportError),
        (599, TransportError),
    ],
)
def test_each_status_has_its_error(status: int, kind: type[LumnisAIError]) -> None:
    """Errors carry status, request id and body; the body of an unknown shape is quoted as it is."""
    body = {"because": "tide"}
    error = error_of(Answer(status, {"x-request-id": "req-1"}, json.dumps(body).encode()))
    assert type(error) is kind
    assert (error.status_code, error.request_id, error.code, error.detail) == (status, "req-1", None, body)
    assert str(error).startswith(f"GET /v1/threads: {status}")
    assert '{"because": "tide"}' in str(error)
    assert "req-1" in str(error)


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("1.5", 1.5), ("Thu, 01 Jan 1970 00:01:00 GMT", 50.0), ("soon", None)]
)
def test_retry_after_is_read_in_both_forms(header: str, seconds: float | None) -> None:
    """Seconds, also decimal, and dates are understood; anything else does not fail."""
    error = error_of(Answer(429, {"retry-after": header}, b""), now=10.0)
    assert isinstance(error, RateLimitError)
    assert error.retry_after == seconds


@pytest.mark.parametrize("body", [b"<html>login</html>", b'{"threads": [', b"5", b'"text"', b"[" * 100_000, b"\xff"])
def test_a_good_status_with_an_unreadable_body_is_our_error(body: bytes) -> None:
    """Nothing foreign escapes, whatever the body."""
    error = error_of(Answer(200, {}, body))
    assert type(error) is TransportError
    assert "GET /v1/threads" in str(error)
    assert len(str(error)) < 600


def test_an_unreadable_row_does_not_lose_the_list() -> None:
    """Rows of a bare array that are not objects are left out, the others stay."""
    call = Call("GET", "/", models(ThreadObject))
    answer = Answer(200, {}, b'[{"thread_id": "a"}, 5, {"title": "no id"}, {"thread_id": "b"}]')
    assert [row.thread_id for row in SERVICE.result_of(call, answer, now=0.0)] == ["a", "b"]
    assert SERVICE.result_of(call, Answer(200, {}, b"null"), now=0.0) == []


def test_a_body_nobody_needs_is_ignored() -> None:
    """DELETE may answer with anything or nothing."""
    call = Call("DELETE", "/", nothing)
    for body in (b"", b'{"message": "gone"}'):
        SERVICE.result_of(call, Answer(204, {}, body), now=0.0)


def test_a_call_can_read_the_whole_answer_and_other_statuses() -> None:
    """Answers that are not JSON, and errors that are a result, such as "not yet"."""
    call = Call("GET", "/", lambda answer: (answer.status, answer.body), whole_answer=True, accepts=frozenset({400}))
    assert SERVICE.result_of(call, Answer(200, {}, b"\x00text"), now=0.0) == (200, b"\x00text")
    assert SERVICE.result_of(call, Answer(400, {}, b"wait"), now=0.0) == (400, b"wait")
    with pytest.raises(NotFoundError):
        SERVICE.result_of(call, Answer(404), now=0.0)


@pytest.mark.parametrize("answer", [Answer(200, {}, b"token-1"), Answer(400, {}, b'{"token": "token-1"}')])
def test_a_confidential_answer_is_never_quoted(answer: Answer) -> None:
    """Neither in the message nor in the detail, whether it is an error or cannot be read."""
    error = error_of(answer, call=CALL._replace(confidential=True))
    assert "token-1" not in str(error) + repr(vars(error))


@pytest.mark.parametrize(
    ("problem", "kind", "status"),
    [
        (Problem("No."), ValidationError, 400),
        (Problem("No.", status=401, code="2100"), AuthenticationError, 401),
        (Problem("No.", status=429), RateLimitError, 429),
        (Problem("No.", status=503), TransportError, 503),
        (Problem("No.", kind=ConflictError), ConflictError, 400),
    ],
)
def test_an_error_inside_a_good_answer_has_the_class_of_its_status(
    problem: Problem, kind: type[LumnisAIError], status: int
) -> None:
    """The platform says which status an error in an envelope amounts to, or its class."""

    class Enveloped(Service):
        def unwrap(self, data: object) -> object:
            raise problem

    with pytest.raises(LumnisAIError, match=r"No\.") as caught:
        Enveloped("Harbour", "https://harbour.example").result_of(CALL, Answer(200, {}, b'{"code": 7}'), now=0.0)
    assert type(caught.value) is kind
    assert (caught.value.status_code, caught.value.code, caught.value.detail) == (status, problem.code, {"code": 7})


def test_secrets_can_be_redacted() -> None:
    """A body that quotes them loses them; any other stays the same object."""
    assert Answer(401, {}, b"bad key lmn_1!").without(["lmn_1", "x"]).body == b"bad key [redacted]!"
    answer = Answer(200, {"x-request-id": "r-1"}, b"good %41 \\u0041")
    assert answer.without(["lmn_1"]) is answer
    hidden = Answer(401, {"x-request-id": "r-lmn_1", "location": "/a?key=lmn%5F1"}).without(["lmn_1"])
    assert hidden.headers == {"x-request-id": "r-[redacted]", "location": "/a?key=[redacted]"}


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("session=abc; Path=/; HttpOnly", "abc"),
        ("a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT, session=abc==; Path=/", "abc=="),
        ("session=old, session=new", "new"),
        ('session="quoted"', "quoted"),
        ("session=; Max-Age=0", ""),
        ("xsession=1; session=2", None),
        ("", None),
    ],
)
def test_cookies_are_read_by_name(header: str, value: str | None) -> None:
    """Several Set-Cookie headers arrive joined by commas, and dates have commas too."""
    assert Answer(200, {"set-cookie": header} if header else {}).cookie("session") == value


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<html><script>x()</script><h1>Bad</h1> gateway</html>", "Bad gateway"),
        ("<STYLE type='a'>p {}</STYLE >Bad<!-- note --> gateway", "Bad gateway"),
        ("Bad <script>for (i = 0; i < 3; i++) { f('</b>') }</script>gateway", "Bad gateway"),
        ("Bad gateway <script>never closed", "Bad gateway"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("<" * 500 + "Bad", "<" * 299 + "…"),
        ("", ""),
    ],
)
def test_pages_of_gateways_are_reduced_to_their_words(page: str, words: str) -> None:
    """Tags go, and scripts and styles with what is in them."""
    assert words_of(page) == words


@pytest.mark.parametrize("unit", ["<script>", "<style ", "<!--", "<", "<a", "</script", "&lt;", "<p>a"])
def test_a_page_made_to_be_slow_is_read_like_any_other(unit: str) -> None:
    """A megabyte of tags that are never closed; with time that grows with its square, the test would take hours."""
    assert len(words_of(unit * (1_000_000 // len(unit)))) <= 300


def test_texts_in_messages_are_shortened() -> None:
    """Messages stay short."""
    assert shortened("a  b\n" * 500) == "a b " * 74 + "a b…"
