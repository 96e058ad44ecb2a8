"""Deciding about another try."""

from __future__ import annotations

from typing import Any

import pytest

from lumnisai_core._transport.retry import CoolDown, RetryPolicy, next_try, parse_retry_after

POLICY = RetryPolicy(max_retries=3, first_pause=0.5, longest_pause=8.0, longest_retry_after=60.0, budget=120.0)
FAILED: dict[str, Any] = {"tries": 1, "repeatable": True, "status": 503, "elapsed": 0.0, "chance": 1.0}


@pytest.mark.parametrize(
    ("change", "pause"),
    [
        ({}, 0.5),
        ({"tries": 2}, 1.0),
        ({"tries": 3}, 2.0),
        ({"tries": 4}, None),
        ({"chance": 0.0}, 0.0),
        ({"status": None}, 0.5),
        ({"status": 408}, 0.5),
        ({"status": 429, "retry_after": 7.0, "chance": 0.0}, 7.0),
        ({"status": 503, "retry_after": 1.5, "chance": 0.0}, 1.5),
        ({"status": 429, "retry_after": 61.0}, None),
        ({"status": 400}, None),
        ({"status": 404}, None),
        ({"status": 501}, None),
        ({"repeatable": False}, None),
        ({"elapsed": 119.9}, None),
        ({"elapsed": 119.0}, 0.5),
    ],
)
def test_the_next_try(change: dict[str, Any], pause: float | None) -> None:
    """Tries, safety, status, Retry-After, cap and budget decide; the clock is an argument."""
    assert next_try(POLICY, **{**FAILED, **change}) == pause


def test_pauses_stop_growing() -> None:
    """Even an absurd number of tries pauses no longer than the cap."""
    assert next_try(RetryPolicy(max_retries=10**6), **{**FAILED, "tries": 10**5}) == POLICY.longest_pause


@pytest.mark.parametrize("value", [None, "", "soon", "nan", "inf", "Thu, 99 Foo 2026"])
def test_an_unusable_retry_after_is_none(value: str | None) -> None:
    """Junk in the header is as good as no header."""
    assert parse_retry_after({} if value is None else {"retry-after": value}, now=0.0) is None


@pytest.mark.parametrize("value", ["-5", "Thu, 01 Jan 1970 00:00:01 GMT"])
def test_a_time_that_is_over_means_now(value: str) -> None:
    """The pause is never negative."""
    assert parse_retry_after({"retry-after": value}, now=100.0) == 0.0


@pytest.mark.parametrize("now", [0.0, 1e9, 1.7e9, 4e9])
def test_a_date_is_read_against_the_clock_of_the_answer(now: float) -> None:
    """However wrong the clock of this machine is; without a usable ``Date`` it is all there is."""
    headers = {"retry-after": "Fri, 01 May 2026 00:00:07 GMT", "date": "Fri, 01 May 2026 00:00:00 GMT"}
    assert parse_retry_after(headers, now=now) == 7.0
    assert parse_retry_after({**headers, "date": "today"}, now=1777593600.0) == 7.0
    assert parse_retry_after({"retry-after": "7"}, now=now) == 7.0


def test_clients_that_were_sent_away_together_come_back_spread_out() -> None:
    """Never before the time that the service named, and over half of it, at least half a second, at most eight."""
    for retry_after, spread in ((0.0, 0.5), (1.0, 0.5), (4.0, 2.0), (60.0, 8.0)):
        busy = {**FAILED, "status": 429, "retry_after": retry_after}
        pauses = [next_try(POLICY, **{**busy, "chance": chance}) for chance in (0.0, 0.5, 1.0)]
        assert pauses == [retry_after, retry_after + spread / 2, retry_after + spread]


def test_a_cool_down_is_shared_and_the_longest_counts() -> None:
    """A shorter one does not cut it, a longer one prolongs it."""
    cool_down = CoolDown()
    assert cool_down.over_at == 0.0
    cool_down.begin(10.0, 5.0)
    cool_down.begin(11.0, 1.0)
    assert (cool_down.left(12.0), cool_down.left(15.0), cool_down.left(99.0)) == (3.0, 0.0, 0.0)


def test_the_first_request_after_a_pause_goes_alone() -> None:
    """The others follow when it was answered, or a moment later; if it is refused, all wait again."""
    cool_down = CoolDown()
    cool_down.begin(10.0, 5.0)
    assert [cool_down.left(15.0), cool_down.left(15.0), cool_down.left(15.25), cool_down.left(15.5)] == [
        0,
        0.5,
        0.25,
        0,
    ]
    cool_down.begin(16.0, 5.0)
    assert [cool_down.left(21.0), cool_down.left(21.0)] == [0.0, 0.5]
    cool_down.answered()
    assert cool_down.left(21.0) == 0.0
    cool_down.begin(30.0, 5.0)
    cool_down.answered()  # an answer to a request that was sent before the pause
    assert cool_down.left(30.0) == 5.0
    assert [cool_down.left(35.0), cool_down.left(35.0)] == [0.0, 0.5]
    cool_down.begin(35.1, 5.0)
    assert cool_down.left(36.0) == pytest.approx(4.1)


def test_those_who_wait_are_sent_one_after_the_other() -> None:
    """Over the seconds that the pause names."""
    cool_down = CoolDown()
    cool_down.begin(12.0, 3.0, spread=2.0)
    assert [cool_down.left(12.0, chance=chance) for chance in (0.0, 0.5, 1.0)] == [3.0, 4.0, 5.0]
    assert cool_down.left(15.0, chance=1.0) == 0.0
