"""Finding runs and threads in the window: search, filters, addresses, lists of any length, and keys for all of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lumnisai_core import Client
from lumnisai_core.exceptions import RunFailedError
from lumnisai_core.local import LocalLumnis, Script
from tests.browser.page import Page
from tests.servers import ScriptByText

MANY = 10_000
ESCAPE, ENTER, DOWN, UP = "\ue00c", "\ue007", "\ue015", "\ue013"
ROWS = "Array.from(document.querySelectorAll('#runs .title'), title => title.textContent)"


@pytest.fixture(scope="module")
def harbour() -> Iterator[LocalLumnis]:
    """A service with runs of two users in three threads, one of which failed."""
    failing = Script(error=("REGISTER_CLOSED", "The register is closed."))
    with (
        LocalLumnis(engine=ScriptByText({"Fail": failing}, Script(output_text="Ask at the *lighthouse*."))) as service,
        Client(service.api_key, base_url=service.base_url) as client,
    ):
        client.users.create(email="ines@example.org")
        thread = client.invoke("When is high water?", user_id="ines@example.org").thread_id
        client.invoke("And low water?", user_id="ines@example.org", thread_id=thread)
        client.invoke("Which port is open?", user_id="omar@example.org")
        with pytest.raises(RunFailedError):
            client.invoke("Fail", user_id="omar@example.org")
        yield service


def test_runs_are_searched_and_filtered(harbour: LocalLumnis, page: Page) -> None:
    """By any text of them, by status, and by user, together; in words when there are none."""
    page.open_with_key(harbour)
    page.wait_until("document.querySelectorAll('#runs li').length === 4")
    page.type("#find-run", "WATER")
    page.wait_until(f"{ROWS}.join() === 'And low water?,When is high water?'")
    page.type("#find-run", "lighthouse")
    page.wait_until("document.querySelectorAll('#runs li').length === 3")
    page.type("#of-user", "omar@example.org")
    page.wait_until(f"{ROWS}.join() === 'Which port is open?'")
    page.press(ESCAPE, "#find-run")
    page.wait_until("document.querySelectorAll('#runs li').length === 2")
    page.press("failed", "#of-status")
    page.wait_until(f"{ROWS}.join() === 'Fail'")
    page.wait_for("#runs", "failed", "omar@example.org")
    page.type("#of-user", "nobody@example.org")
    page.wait_for("section[aria-label=Runs]", "No run fits the search and the filters.")
    page.wait_until("document.querySelectorAll('#threads li').length === 1")


def test_the_user_of_a_run_leads_to_all_runs_of_theirs(harbour: LocalLumnis, page: Page) -> None:
    """One click on the name."""
    page.open_with_key(harbour)
    page.choose("runs", "high water")
    page.wait_for(".facts", "ines@example.org")
    page.click(".facts button")
    page.wait_until(f"{ROWS}.join() === 'And low water?,When is high water?'")
    assert page.evaluate("document.getElementById('of-user').value") == "ines@example.org"


def test_each_run_and_thread_has_an_address(harbour: LocalLumnis, page: Page) -> None:
    """Reloading keeps what is chosen, going back returns to it, and the address alone leads there in a new tab."""
    page.open_with_key(harbour)
    page.choose("runs", "Which port is open?")
    page.wait_for("#run .turn h2", "Which port is open?")
    run = page.evaluate("location.hash")
    page.choose("threads", "high water")
    page.wait_for("#talk", "When is high water?", "And low water?")
    thread = page.evaluate("location.hash")
    page.reload()
    page.wait_for("#talk", "When is high water?", "And low water?")
    page.wait_until(f"{ROWS}.join() === 'And low water?,When is high water?'")
    page.back()
    page.wait_for("#run .turn h2", "Which port is open?")
    assert page.evaluate("location.hash") == run
    page.wait_until("document.querySelectorAll('#runs li').length === 4")
    page.click("#leave")
    assert page.evaluate("location.hash") == ""
    for address, text in ((run, "Which port is open?"), (thread, "And low water?")):
        page.open(harbour, address)
        page.enter(harbour.api_key)
        page.wait_for("#talk", text)
        page.click("#leave")


def test_filters_survive_a_reload_and_are_in_no_address(harbour: LocalLumnis, page: Page) -> None:
    """They may name people, so they are kept with the entry of the tab's history only."""
    page.open_with_key(harbour)
    page.type("#of-user", "ines@example.org")
    page.wait_until("document.querySelectorAll('#runs li').length === 2")
    page.choose("runs", "low water")
    page.reload()
    page.wait_until("document.querySelectorAll('#runs li').length === 2")
    assert page.evaluate("document.getElementById('of-user').value") == "ines@example.org"
    assert "ines" not in page.evaluate("location.href")
    assert page.evaluate("[sessionStorage.length, localStorage.length]") == [1, 0]
    page.click("#leave")
    page.enter(harbour.api_key)
    page.wait_until("document.querySelectorAll('#runs li').length === 4")


@pytest.mark.parametrize("address", ["#/runs/none", "#/threads/none", "#/%E0%A4%A", "#/nowhere/at/all"])
def test_an_address_that_leads_nowhere_says_so(harbour: LocalLumnis, page: Page, address: str) -> None:
    """In words, and the lists are there."""
    page.open(harbour, address)
    page.enter(harbour.api_key)
    page.wait_for("#talk", "is gone." if "none" in address else "Ask this service")
    page.wait_for("#threads", "All runs", "high water")
    page.wait_for("#status", "Live")


def test_everything_is_reached_by_keys(harbour: LocalLumnis, page: Page) -> None:
    """A slash searches, arrows walk through lists, Enter opens, Escape goes back; the focus can be seen."""
    page.open_with_key(harbour)
    page.wait_for("#runs", "Fail")
    page.evaluate("void document.activeElement.blur()")
    page.press("/")
    page.wait_until("document.activeElement.id === 'find-run'")
    page.press(f"water{ESCAPE}")
    page.wait_until("document.getElementById('find-run').value === ''")
    page.press(ESCAPE)
    page.wait_until("document.activeElement.id !== 'find-run'")
    page.evaluate("void document.querySelector('#runs .row').focus()")
    page.press(DOWN + DOWN + UP)
    assert "Which port is open?" in page.evaluate("document.activeElement.textContent")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press(ENTER)
    page.wait_for("#run .turn h2", "Which port is open?")
    assert "Which port is open?" in page.evaluate("document.activeElement.textContent")
    page.press(ESCAPE)
    page.wait_for("#talk", "Ask this service")


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLumnis]:
    """A service with ten thousand runs in as many threads."""
    path = tmp_path_factory.mktemp("crowded") / "lumnis.db"
    with _service(path) as service, Client("key", base_url=service.base_url, user_id="ines@example.org") as client:
        client.invoke("Question 0.")
    with closing(sqlite3.connect(path)) as sql, sql:
        for table, own in (("threads", "thread_id"), ("runs", "response_id")):
            columns = [name for _, name, *_ in sql.execute(f"PRAGMA table_info({table})")]
            changed = {
                own: f"{own} || '-' || i",
                "response_title": "'Question ' || i || '.'",
                "title": "'Thread ' || i",
            }
            changed |= {"thread_id": "thread_id || '-' || i"}
            values = ", ".join(changed.get(name, name) for name in columns)
            sql.execute(
                f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY - 1}) "
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table}, n"
            )
    with _service(path) as service:
        yield service


def _service(path: Path) -> LocalLumnis:
    return LocalLumnis(engine=ScriptByText({}, Script(output_text="done")), path=path, api_key="key")


def test_ten_thousand_runs_are_listed_like_ten(crowded: LocalLumnis, page: Page) -> None:
    """Only rows in sight are fetched and drawn; the last one is a scroll away, and search finds any."""
    page.open_with_key(crowded)
    page.wait_for("#runs", f"Question {MANY - 1}.")
    drawn = "document.querySelectorAll('#runs li, #threads li').length"
    assert page.evaluate(drawn) < 100
    assert page.evaluate("document.querySelector('#runs li').ariaSetSize") == str(MANY)
    box = "document.getElementById('runs').parentElement"
    page.evaluate(f"void ({box}.scrollTop = {box}.scrollHeight / 2)")
    page.wait_for("#runs", f"Question {MANY // 2}.")
    page.evaluate(f"void ({box}.scrollTop = {box}.scrollHeight)")
    page.wait_for("#runs", "Question 0.")
    assert page.evaluate(drawn) < 100
    page.choose("runs", "Question 3.")
    page.wait_for("#run .turn h2", "Question 3.")
    page.type("#find-run", "question 7777.")
    page.wait_until(f"{ROWS}.join() === 'Question 7777.'")
    fetched = (
        "performance.getEntriesByType('resource').filter(e => e.name.includes('/v1/')).map(e => e.decodedBodySize)"
    )
    assert max(page.evaluate(fetched)) < 50_000


def test_new_runs_do_not_move_what_one_looks_at(crowded: LocalLumnis, page: Page) -> None:
    """Rows in the middle of the list stay where they are while others come in above them."""
    page.open_with_key(crowded)
    page.wait_for("#runs", "Question")
    box = "document.getElementById('runs').parentElement"
    page.evaluate(f"void ({box}.scrollTop = 62 * 5000)")
    page.wait_for("#runs", f"Question {MANY - 5003}.")
    items = "Array.from(document.querySelectorAll('#runs li'))"
    row = f"{items}.find(li => li.textContent.includes('Question {MANY - 5003}.'))"
    place = f"({row} || document.body).getBoundingClientRect().top"
    before = page.evaluate(place)
    with Client("key", base_url=crowded.base_url, user_id="ines@example.org") as client:
        for _ in range(3):
            client.invoke("One more?")
    page.wait_until(f"Number(document.querySelector('#runs li').ariaSetSize) >= {MANY + 3}")
    assert page.evaluate(place) == before
