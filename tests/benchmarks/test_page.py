"""The page shows what the benchmark measures; the pure parts of the benchmark do what they say."""

from __future__ import annotations

import platform
import pstats
from functools import partial

import httpx
import pytest

from lumnisai_core import Client
from tests.benchmarks import __main__ as program
from tests.benchmarks import page, profiles, timing
from tests.benchmarks.processes import endpoint
from tests.benchmarks.raw import one_raw_call, two_raw_calls
from tests.benchmarks.rows import APART, HEAD, PARTS, ROWS, Reading, Row, cells, is_met, markdown, rows_of


def table_of_page() -> list[list[str]]:
    text = page.PAGE.read_text("utf-8").partition(page.BEGIN)[2].partition(page.END)[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_the_page_has_the_rows_and_targets_of_the_benchmark() -> None:
    """Otherwise run `make bench ARGS=--write`."""
    head, _, *lines = table_of_page()
    assert tuple(head) == HEAD
    assert [(line[0], line[4]) for line in lines] == [(row.what, row.target) for row in ROWS]
    assert {line[5] for line in lines if line[4] != "-"} <= {"yes", "no"}


def test_every_row_is_measured_by_a_part_and_named_once() -> None:
    assert set(PARTS) == set(program.MEASUREMENTS)
    rows = (*ROWS, *APART)
    assert len({row.what for row in rows}) == len(rows)
    assert sum(len(rows_of([part])) for part in PARTS) == len(rows)


def shown(value: float) -> str:
    return f"{value:g}"


@pytest.mark.parametrize(
    ("row", "reading", "met", "ratio"),
    [
        (Row("p", "a", shown, most=2.0), Reading(2.0), True, "-"),
        (Row("p", "a", shown, most=2.0), Reading(2.1), False, "-"),
        (Row("p", "a", shown), Reading(9.0, 3.0), None, "3.00x"),
        (Row("p", "a", shown, most=2.0, beside="b"), Reading(1.0, 100.0), True, "0.01x"),
        (Row("p", "a", shown, most=1.0, beside="b", of_ratio=True), Reading(5.0, 10.0), True, "0.50x"),
        (Row("p", "a", shown, most=1.0, beside="b", of_ratio=True), Reading(5.0, 10.0, ratio=1.2), False, "1.20x"),
        (Row("p", "a", shown, most=1.0, of_ratio=True), Reading(5.0), None, "-"),
        (Row("p", "a", shown, beside="b"), Reading(1.0, 0.0), None, "-"),
    ],
)
def test_a_target_is_met_up_to_its_value(row: Row, reading: Reading, met: bool | None, ratio: str) -> None:
    assert is_met(row, reading) is met
    assert cells(row, reading)[3] == ratio
    assert cells(row, reading)[5] == {True: "yes", False: "no", None: "-"}[met]


def test_the_table_is_written_between_the_marks_and_nothing_else_changes() -> None:
    readings = {row.what: Reading(0.001, 0.002 if row.beside else None) for row in ROWS}
    before = f"# Title\n\n{page.BEGIN}old\n{page.END}\nRest\n"
    after = page.with_table(before, page.written(readings))
    assert after.startswith(f"# Title\n\n{page.BEGIN}\nMeasured on ")
    assert markdown(readings) in after
    assert after.endswith(f"{page.END}\nRest\n")
    assert "old" not in after
    assert page.with_table(after, page.written(readings)) == after


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks one of the lines"):
        page.with_table("# Title\n", "table")


def test_the_machine_is_described_without_its_name() -> None:
    assert "cores" in page.machine()
    assert platform.node() not in page.machine()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "speed"], "invalid choice"),
        (["--rounds", "0"], "--rounds must be 1 or more"),
        (["--only", "cost", "--write"], "--write needs all parts"),
        (["--profile", "speed"], "invalid choice"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        program.main(arguments)
    assert said in capsys.readouterr().err


def test_a_part_prints_its_rows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def measured(rounds: int) -> list[Reading]:
        return [Reading(rounds / 10, 4.0)]

    monkeypatch.setattr(program, "MEASUREMENTS", {"progress": measured})
    program.main(["--only", "progress", "--rounds", "3"])
    printed = capsys.readouterr().out
    assert "mean delay of progress" in printed
    assert "0.30 s" in printed
    assert "4.00 s official package" in printed


def test_actions_are_timed_in_turns() -> None:
    called: list[str] = []
    actions = {name: partial(called.append, name) for name in "ab"}
    found = timing.rounds_of(actions, rounds=2, times=3)
    assert [set(taken) for taken in found] == [{"a", "b"}, {"a", "b"}]
    assert called[:4] == ["a", "b", "b", "a"]
    assert called.count("a") == called.count("b")


def test_a_ratio_is_taken_within_a_round() -> None:
    rounds = [{"a": 2.0, "b": 1.0}, {"a": 30.0, "b": 10.0}, {"a": 4.0, "b": 1.0}]
    assert timing.median_of(rounds, "a") == 4.0
    assert timing.median_of(rounds, "a", over="b") == 3.0


@pytest.mark.parametrize(
    ("path", "package", "module"),
    [
        ("~", "built in", ""),
        ("/x/lib/python3.11/site-packages/httpx/_client.py", "httpx", "httpx._client"),
        ("/x/lib/python3.11/site-packages/h11/__init__.py", "h11", "h11"),
        ("/x/lumnisai_core/lumnis/_sync/client.py", "lumnisai_core", "lumnisai_core.lumnis._sync.client"),
        ("/x/lib/python3.11/json/decoder.py", "standard library", "decoder"),
        ("<frozen os>", "standard library", "frozen os"),
    ],
)
def test_functions_are_shown_by_package(path: str, package: str, module: str) -> None:
    assert profiles.place_of(path) == (package, module)


def test_waiting_for_the_service_is_no_work() -> None:
    stats = pstats.Stats()
    stats.stats = {  # type: ignore[attr-defined]
        ("~", 0, "<method 'recv' of '_socket.socket' objects>"): (4, 4, 0.2, 0.2, {}),
        ("~", 0, "<built-in method builtins.isinstance>"): (40, 40, 0.02, 0.04, {}),
    }
    waiting, working = profiles.costs(stats, 2)
    assert waiting.package == profiles.WAITING
    assert (working.package, working.calls) == (profiles.BUILT_IN, 20.0)
    assert working.own == pytest.approx(10_000)


def test_the_endpoint_answers_both_kinds_of_calls() -> None:
    with endpoint() as base_url:
        with Client("key", base_url=base_url, user_id="u") as client:
            assert client.invoke("Hi").output_text == "done"
        with two_raw_calls(base_url, "key") as two_calls:
            two_calls()
        with one_raw_call(base_url) as one_call:
            one_call()
        answer = httpx.post(base_url + "/v1/chat/completions", json={}, trust_env=False).json()
    assert answer["choices"][0]["message"]["content"] == "done"
