"""Parsers of streamed answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumnisai_core._transport.lines import BrokenStream, JsonLines, Parser, RawBytes, ServerSentEvent, ServerSentEvents


def parsed(parser: Parser, content: bytes, size: int | None = None) -> list[Any]:
    """Parse a whole stream, in chunks of this size."""
    step = size or len(content) or 1
    events: list[Any] = []
    for start in range(0, len(content), step):
        events.extend(parser.feed(content[start : start + step]))
        events.extend(parser.feed(b""))
    events.extend(parser.finish())
    return events


SIZES = pytest.mark.parametrize("size", [None, 1, 2, 3])

JSON_LINES = [
    (b"", []),
    (b'{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
    (b'{"a": 1}\r\n{"a": 2}\r\n', [{"a": 1}, {"a": 2}]),
    (b'{"a": 1}\r{"a": 2}\r', [{"a": 1}, {"a": 2}]),
    (b'{"a": 1}\n{"a": 2}', [{"a": 1}, {"a": 2}]),
    (b'\n\n  \n{"a": 1}\n\n', [{"a": 1}]),
    (b'\xef\xbb\xbf{"a": 1}\n', [{"a": 1}]),
    (b'\xef\xbb\xbf{"a": 1}', [{"a": 1}]),
    ('{"a": "潮\u2028x\x85"}\n'.encode(), [{"a": "潮\u2028x\x85"}]),
    (b'{"a":\n1}\n{"b": 2}\n', [{"a": 1}, {"b": 2}]),
    (b'{"a": "x\ny"}\n', [{"a": "x\ny"}]),
    (b'{"a": 1\n\n}\n', [{"a": 1}]),
    (b"null\n0\n[]\n", [None, 0, []]),
]


@SIZES
@pytest.mark.parametrize(("content", "values"), JSON_LINES)
def test_lines_of_json_are_read_however_they_are_cut(content: bytes, values: list[Any], size: int | None) -> None:
    """All line ends, blank lines, a byte order mark, an end without a line end, a value broken over two lines."""
    assert parsed(JsonLines(), content, size) == values


@SIZES
@pytest.mark.parametrize(
    ("content", "values", "reason"),
    [
        (b'{"a": 1}\noops\n{"b": 2}\n', [{"a": 1}], "line 3 is not JSON"),
        (b'{"a": 1}\n{"a": ', [{"a": 1}], "in the middle of a line"),
        (b'{"a": 1}\noops\n', [{"a": 1}], "in the middle of a line"),
        (b'{"a": 1}\n\xff\n\xff\n', [{"a": 1}], "line 3 is not JSON"),
        (b"[" * 40_000 + b"\n1\n", [], "line 2 is not JSON"),
    ],
)
def test_broken_lines_are_an_error_after_the_good_ones(
    content: bytes, values: list[Any], reason: str, size: int | None
) -> None:
    """The error says which line it is and quotes nothing."""
    events: list[Any] = []
    parser = JsonLines()
    with pytest.raises(BrokenStream, match=reason) as caught:
        for start in range(0, len(content), size or len(content)):
            events.extend(parser.feed(content[start : start + (size or len(content))]))
        events.extend(parser.finish())
    assert events == values
    assert "oops" not in str(caught.value)


EVENTS = [
    (b"", []),
    (b"data: one\n\ndata:two\n\n", [ServerSentEvent("one"), ServerSentEvent("two")]),
    (b"data: one\r\n\r\ndata: two\r\n\r\n", [ServerSentEvent("one"), ServerSentEvent("two")]),
    (b"data: one\r\rdata: two\r\r", [ServerSentEvent("one"), ServerSentEvent("two")]),
    (b"data: a\ndata:\ndata:  b\n\n", [ServerSentEvent("a\n\n b")]),
    (b": comment\n\nevent: ping\n\ndata: x\nevent: add\n\n", [ServerSentEvent("x", "add")]),
    (
        b"id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\nid: \x00\ndata: d\n\n",
        [
            ServerSentEvent("a", id="7"),
            ServerSentEvent("b", id="7"),
            ServerSentEvent("c", id=""),
            ServerSentEvent("d", id=""),
        ],
    ),
    (b"retry: 10\ndata: a\n\nretry: 1x\ndata: b\n\n", [ServerSentEvent("a", retry=10), ServerSentEvent("b")]),
    (b"\xef\xbb\xbfdata: a\n\n", [ServerSentEvent("a")]),
    (b"data: a\nunknown: x\nnothing\n\n", [ServerSentEvent("a")]),
    (b"data: a\n", [ServerSentEvent("a")]),
    ("data: 潮\n\n".encode(), [ServerSentEvent("潮")]),
    (b"data: \xff\n\n", [ServerSentEvent("\ufffd")]),
    (b"data\n\ndata: [DONE]\n\n", [ServerSentEvent("[DONE]")]),
]


@SIZES
@pytest.mark.parametrize(("content", "events"), EVENTS)
def test_server_sent_events_are_read_however_they_are_cut(
    content: bytes, events: list[ServerSentEvent], size: int | None
) -> None:
    """All line ends, data of several lines, comments, names, ids, a byte order mark, an end without a blank line."""
    assert parsed(ServerSentEvents(), content, size) == events


@SIZES
def test_an_event_that_ends_in_the_middle_of_a_line_is_an_error(size: int | None) -> None:
    """Nobody knows whether more was to come."""
    with pytest.raises(BrokenStream, match="in the middle of a line"):
        parsed(ServerSentEvents(), b"data: a\n\ndata: b", size)


def test_data_of_events_can_be_json() -> None:
    """Anything else is an error of the stream."""
    assert ServerSentEvent('{"a": 1}').json() == {"a": 1}
    with pytest.raises(BrokenStream, match="'add' event is not JSON"):
        ServerSentEvent("[DONE]", "add").json()


@SIZES
@pytest.mark.parametrize(
    ("parser", "content"),
    [
        (JsonLines, b'{"a": 1}\n"' + b"x" * 50 + b'"\n'),
        (JsonLines, b'{"a": 1}\n"' + b"x" * 50),
        (ServerSentEvents, b"data: " + b"x" * 50 + b"\n\n"),
        (ServerSentEvents, b"data: xxxxxxxxxx\n" * 5 + b"\n"),
    ],
)
def test_lines_and_events_have_a_limit(parser: Callable[[int], Parser], content: bytes, size: int | None) -> None:
    """A stream without line ends does not fill the memory."""
    with pytest.raises(BrokenStream, match="more than 40 bytes"):
        parsed(parser(40), content, size)


@given(content=st.binary(max_size=200), size=st.integers(1, 20))
def test_bytes_pass_as_they_are(content: bytes, size: int) -> None:
    """Only the pieces differ."""
    assert b"".join(parsed(RawBytes(), content, size)) == content


@settings(max_examples=200)
@given(
    texts=st.lists(st.text(max_size=20), max_size=6),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    size=st.integers(1, 30),
)
def test_whatever_is_written_is_read_again(texts: list[str], end: str, size: int) -> None:
    """Any text, any line end, any chunks."""
    lines = "".join(json.dumps({"t": text}, ensure_ascii=False) + end for text in texts).encode(
        "utf-8", "surrogatepass"
    )
    assert [value["t"] for value in parsed(JsonLines(), lines, size)] == texts
    stream = "".join(f"data: {json.dumps(text)}{end}{end}" for text in texts).encode()
    assert [event.json() for event in parsed(ServerSentEvents(), stream, size)] == texts
