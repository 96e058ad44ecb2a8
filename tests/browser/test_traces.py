"""Sessions of the observability service in the window: their trees, search, and what changes while one looks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lumnisai_core.local import LocalLumnis
from tests.browser.page import Page
from tests.browser.test_window import MARKUP
from tests.local.support import Lucidic

LLM = {
    "request": {"provider": "openai", "model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Where?"}]},
    "response": {"output": "In the harbour."},
    "usage": {"input_tokens": 31, "output_tokens": 12, "cost": 0.0123},
}


@pytest.fixture
def lucidic() -> Iterator[Lucidic]:
    """A caller of a service of its own."""
    with LocalLumnis(tenants={"Harbour": ["right-key"], "Quay": ["other-key"]}) as local, Lucidic(local) as made:
        yield made


def opened(page: Page, lucidic: Lucidic) -> None:
    """Show the sessions."""
    page.open_with_key(lucidic.local)
    page.click("[data-view=sessions]")
    page.wait_until("!document.getElementById('traces').hidden")


def levels(page: Page) -> list[str]:
    """Return the names in the tree with their levels."""
    rows = "Array.from(document.querySelectorAll('#tree li'), li => li.ariaLevel + ' ' + "
    return list(page.evaluate(f"{rows}li.querySelector('.title').textContent)"))


def test_a_tree_grows_while_one_looks(page: Page, lucidic: Lucidic) -> None:
    """Children come before their parents and move below them; times, tokens, cost and errors are shown and summed."""
    opened(page, lucidic)
    session_id = lucidic.session(session_name="Refund desk")
    page.choose("sessions", "Refund desk")
    page.wait_for("#events", "No events yet.")
    lucidic.event(
        session_id, LLM, type="llm_generation", client_event_id="c", client_parent_event_id="b", duration=1.42
    )
    page.wait_for("#tree", "gpt-4o-mini", "llm generation", "1.42 s", "31 + 12 tokens", "$0.0123")
    assert levels(page) == ["1 gpt-4o-mini"]
    early = {"occurred_at": "2020-01-01T00:00:00+00:00", "type": "function_call"}
    lucidic.event(session_id, {"function_name": "b", "error": "late"}, client_event_id="b", **early)
    page.wait_for("#tree", "late")
    assert levels(page) == ["1 b", "2 gpt-4o-mini"]
    lucidic.event(session_id, {"function_name": "a"}, client_parent_event_id="b", duration=0.0421, **early)
    page.wait_for("#tree", "42 ms")
    assert levels(page) == ["1 b", "2 a", "2 gpt-4o-mini"]
    page.wait_for("#session-name", "Refund desk")
    page.wait_for("#sums", "open", "3 events", "1 error", "31 + 12 tokens")
    page.wait_for("#sessions", "open", "3 events", "1 error")
    lucidic.ok("PUT", "/updatesession", json={"session_id": session_id, "is_finished": True, "is_successful": True})
    page.wait_for("#sums", "succeeded")
    lucidic.ok("PUT", "/events/b", json={"payload": {"function_name": "renamed"}})
    page.wait_for("#tree", "renamed")
    page.wait_until("!document.getElementById('sums').textContent.includes('error')")


def test_an_event_shows_its_whole_payload(page: Page, lucidic: Lucidic) -> None:
    """Its fields by name, texts as they are; it follows later changes."""
    session_id = lucidic.session()
    lucidic.event(session_id, {"error": "timeout", "traceback": "line 1\nline 2"}, type="error_traceback", tags=["x"])
    made = lucidic.event(session_id, {"details": "preview"}, needs_blob=True)
    opened(page, lucidic)
    page.choose("sessions", "Refund desk")
    page.choose("tree", "timeout")
    page.wait_for("#event", "error traceback", "line 1\nline 2", '"x"')
    page.choose("tree", "preview")
    page.wait_for("#event", "generic", "preview")
    lucidic.put(made["blob_url"], json={"details": "the whole of it"}).raise_for_status()
    page.wait_for("#event", "the whole of it")


def test_search_shows_events_with_what_is_above_them(page: Page, lucidic: Lucidic) -> None:
    """A text of a payload finds an event; without the text all are back. A fold hides what is below."""
    session_id = lucidic.session()
    for name, parent in (("a", None), ("b", "a"), ("c", "b"), ("d", "a")):
        fields = {"client_event_id": name, "client_parent_event_id": parent, "type": "function_call"}
        lucidic.event(session_id, {"function_name": name, "return_value": f"value {name}"}, **fields)
    opened(page, lucidic)
    page.choose("sessions", "Refund desk")
    page.wait_until("document.querySelectorAll('#tree li').length === 4")
    page.type("#find-event", "value c")
    page.wait_until("document.querySelectorAll('#tree li').length === 3")
    assert (levels(page), page.text("#tree .hit").splitlines()[0]) == (["1 a", "2 b", "3 c"], "c")
    page.type("#find-event", "nowhere")
    page.wait_for("#events", "No event has this text.")
    page.evaluate("void (document.getElementById('find-event').value = '', turn(true))")
    page.wait_until("document.querySelectorAll('#tree li').length === 4")
    page.click("#tree li:nth-child(2) .fold")
    assert levels(page) == ["1 a", "2 b", "2 d"]
    page.click("#tree li:nth-child(2) .fold")
    assert levels(page) == ["1 a", "2 b", "3 c", "2 d"]


def test_sessions_are_found_by_a_text(page: Page, lucidic: Lucidic) -> None:
    """In the name and in the rest of what they are about."""
    lucidic.session(session_name="Tides")
    lucidic.session(session_name="Ports", task="Ask about moorings")
    opened(page, lucidic)
    page.wait_for("#sessions", "Tides", "Ports")
    page.type("#find-session", "MOORING")
    page.wait_until("document.querySelectorAll('#sessions li').length === 1")
    assert "Ports" in page.text("#sessions")


def test_odd_parents_hide_no_event(page: Page, lucidic: Lucidic) -> None:
    """Circles, an event that is its own parent, and parents that never come."""
    session_id = lucidic.session()
    for name, parent in (("a", "b"), ("b", "a"), ("c", "c"), ("d", "none"), ("e", "d")):
        lucidic.event(session_id, {"details": name}, client_event_id=name, client_parent_event_id=parent)
    opened(page, lucidic)
    page.choose("sessions", "Refund desk")
    page.wait_until("document.querySelectorAll('#tree li').length === 5")
    shown = levels(page)
    assert sorted(row[2:] for row in shown) == ["a", "b", "c", "d", "e"]
    assert {"1 c", "1 d", "2 e"} <= set(shown)


def test_a_large_tree_is_drawn_in_parts(page: Page, lucidic: Lucidic) -> None:
    """The page stays quick: more rows are drawn when they are wanted."""
    session_id = lucidic.session()
    for number in range(310):
        lucidic.event(session_id, {"details": f"event {number}"})
    opened(page, lucidic)
    page.choose("sessions", "310 events")
    page.wait_for("#events", "event 0", "Show more of 310 events")
    assert page.evaluate("document.querySelectorAll('#tree li').length") == 300
    page.click("#more-events")
    page.wait_until("document.querySelectorAll('#tree li').length === 310")


def test_texts_of_sessions_and_events_are_shown_as_texts(page: Page, lucidic: Lucidic) -> None:
    """Markup in any of them is never run, and nothing is asked from elsewhere."""
    session_id = lucidic.session(session_name=MARKUP, task=MARKUP)
    lucidic.event(session_id, {"function_name": MARKUP, "error": f"no {MARKUP}", MARKUP: MARKUP}, type="function_call")
    lucidic.event(session_id, type=MARKUP)
    opened(page, lucidic)
    page.choose("sessions", "2 events")
    page.choose("tree", "no <img")
    page.wait_for("#event", MARKUP)
    for place in ("#sessions", "#session-name", "#tree", "#event-parts h3", "#event-parts pre"):
        assert MARKUP in page.text(place), place
    assert page.evaluate("document.querySelectorAll('img, b').length") == 0
    assert page.evaluate("window.ran") is None
    addresses = page.evaluate("performance.getEntries().map(e => e.name).filter(name => name.includes(':'))")
    assert [address for address in addresses if not address.startswith((f"{lucidic.local.base_url}/", "data:"))] == []
    assert page.complaints() == []


def test_the_key_of_another_tenant_shows_no_sessions(page: Page, lucidic: Lucidic) -> None:
    """It says why, and the rest of the page goes on with that key."""
    lucidic.session()
    page.open(lucidic.local)
    page.enter("other-key")
    page.wait_for("#status", "Live")
    page.click("[data-view=sessions]")
    page.wait_for("#notice", "own key only")
    assert page.text("#sessions") == ""
    page.click("[data-view=runs]")
    page.wait_for("#status", "Live")
    assert page.text("#tenant") == "Quay"


def test_a_forgotten_key_takes_the_sessions_with_it(page: Page, lucidic: Lucidic) -> None:
    """Nothing of lists, tree and event is left."""
    session_id = lucidic.session()
    lucidic.event(session_id, {"details": "quay 7"})
    opened(page, lucidic)
    page.choose("sessions", "Refund desk")
    page.choose("tree", "quay 7")
    page.wait_for("#event", "generic")
    page.click("#leave")
    assert page.shows("#key")
    left = page.evaluate("document.body.innerHTML.split('<script>')[0]")
    assert [text for text in ("quay 7", "Refund desk") if text in left] == []
