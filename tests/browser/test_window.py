"""The page at `/` in a browser: what a person sees there, and what leaves it."""

from __future__ import annotations

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis, Script, Step
from tests.browser.conftest import Gated
from tests.browser.page import Page

MARKUP = "<img src=x onerror='window.ran = true'><b>bold</b>"


def made(service: LocalLumnis) -> Client:
    return Client(service.api_key, base_url=service.base_url, user_id="user-123")


def test_the_key_is_asked_for_and_a_wrong_one_is_told(gated: Gated, page: Page) -> None:
    """Nothing is shown without a key or with a wrong one; with the right one the lists are."""
    service, _ = gated(tenants={"Harbour": ["right-key"]}, api_key="right-key")
    page.open(service)
    assert page.shows("#key")
    assert not page.shows("#window")
    page.enter("wrong-key")
    page.wait_for("#notice", "The key is not valid.")
    assert page.shows("#key")
    assert not page.shows("#window")
    page.enter("right-key")
    page.wait_for("#status", "Live")
    assert page.text("#tenant") == "Harbour"
    assert page.shows("#window")
    assert not page.shows("#key")


def test_a_wrong_key_is_still_told_when_every_reply_has_come(gated: Gated, page: Page) -> None:
    """The page asks for several things at once; the last refusal does not wipe away what the first one told."""
    service, _ = gated()
    page.open(service)
    page.evaluate("void (window.refused = 0, window.real = window.fetch)")
    page.evaluate("void (window.fetch = (...all) => real(...all).finally(() => setTimeout(() => refused++)))")
    page.enter("wrong-key")
    page.wait_until("window.refused === 3")
    assert page.text("#notice") == "The key is not valid."


def test_what_was_asked_for_with_a_forgotten_key_is_not_shown(gated: Gated, page: Page) -> None:
    """Replies that come late bring neither names nor lists back."""
    service, _ = gated(tenants={"Harbour": ["right-key"]}, api_key="right-key")
    page.open(service)
    page.evaluate("void (window.arrived = 0, window.ended = 0, window.real = window.fetch, window.round = window.turn)")
    page.evaluate("void (window.turn = (...all) => round(...all).finally(() => ended++))")
    page.evaluate("void (window.free = new Promise(done => window.release = done))")
    page.evaluate("void (window.fetch = (...all) => real(...all).then(reply => (arrived++, free.then(() => reply))))")
    page.enter("right-key")
    page.wait_until("arrived === 3")
    page.click("#leave")
    page.evaluate("void release()")
    page.wait_until("ended === 1")
    assert [page.text("#tenant"), page.text("#status"), page.text("#threads")] == ["", "", ""]
    assert page.shows("#key")


def test_threads_and_runs_are_listed(gated: Gated, page: Page) -> None:
    """All runs at first, then those of the chosen thread; new ones appear by themselves."""
    service, engine = gated(Script(output_text="done"))
    with made(service) as client:
        tides = client.threads.create(title="Tides").thread_id
        ports = client.threads.create(title="Ports").thread_id
        engine.open()
        engine.open()
        client.invoke("When is high water?", thread_id=tides)
        client.invoke("Which port is open?", thread_id=ports)
        page.open_with_key(service)
        page.wait_for("#threads", "All runs", "Tides", "Ports", "1 run")
        page.wait_for("#runs", "When is high water?", "Which port is open?", "succeeded")
        page.choose("threads", "Tides")
        page.wait_until("document.querySelectorAll('#runs li').length === 1")
        assert "When is high water?" in page.text("#runs")
        client.responses.create("And low water?", thread_id=tides)
        page.wait_for("#runs", "When is high water?", "And low water?")
        page.wait_for("#threads [aria-current=true]", "Tides", "2 runs")


def test_progress_appears_while_the_run_works_and_then_its_answer(gated: Gated, page: Page) -> None:
    """Each step is there before the next one may be made; nothing is reloaded for it."""
    search = {"name": "search", "args": {"place": "quay"}, "output_text": "two hits"}
    service, engine = gated(
        Script([Step("Looking.")]),
        Script([Step("Comparing.", tool_calls=[search])]),
        Script(output_text="North Quay", structured_response={"port": "North"}),
    )
    page.open_with_key(service)
    with made(service) as client:
        client.responses.create("Which port is open?")
    page.choose("runs", "Which port is open?")
    page.wait_for("#run", "in progress", "Which port is open?", "0 steps")
    engine.open()
    page.wait_for(".progress", "Looking.")
    assert "Comparing." not in page.text(".progress")
    engine.open()
    page.wait_for(".progress", "Looking.", "Comparing.", 'search({"place":"quay"})')
    assert "two hits" not in page.text(".progress"), "calls of tools are folded"
    page.click(".call summary")
    assert "two hits" in page.text(".progress")
    assert "Answer" not in page.text("#run")
    engine.open()
    page.wait_for("#run", "succeeded", "Answer", "North Quay", "Structured answer", '"port": "North"')
    page.wait_for("#runs", "succeeded")


def test_a_failed_run_tells_its_error(gated: Gated, page: Page) -> None:
    """Code and message, in place of an answer."""
    service, engine = gated(Script(error=("REGISTER_CLOSED", "The register is closed.")))
    page.open_with_key(service)
    with made(service) as client:
        client.responses.create("Which port is open?")
    page.choose("runs", "Which port is open?")
    engine.open()
    page.wait_for("#run", "failed", "REGISTER_CLOSED: The register is closed.")


def test_texts_with_markup_are_shown_as_texts(gated: Gated, page: Page) -> None:
    """Wherever they come from: tenant, thread, run, question, progress, tool, answers."""
    call = {"name": MARKUP, "args": {"place": MARKUP}, "output_text": MARKUP}
    service, engine = gated(
        Script([Step(MARKUP, tool_calls=[call])], MARKUP, structured_response={"port": MARKUP}, title=MARKUP),
        tenants={MARKUP: ["markup-key"]},
        api_key="markup-key",
    )
    with made(service) as client:
        thread = client.threads.create(title=MARKUP).thread_id
        engine.open()
        client.invoke(MARKUP, thread_id=thread)
    page.open_with_key(service)
    page.choose("runs", "succeeded")
    page.wait_for("#run", "Structured answer")
    page.click(".call summary")
    for place in (
        "#tenant",
        "#threads",
        "#runs",
        "#run .turn h2",
        ".message",
        ".step span",
        ".call summary",
        ".call pre",
        ".answer",
        ".turn-structured",
    ):
        assert MARKUP in page.text(place), place
    assert page.evaluate("document.querySelectorAll('img, b').length") == 0
    assert page.evaluate("window.ran") is None


def test_nothing_is_fetched_from_another_host(gated: Gated, page: Page) -> None:
    """Every address asked for is the service's, and the page does nothing that its own policy forbids."""
    service, engine = gated(Script([Step("Looking.")], "done"))
    with made(service) as client:
        engine.open()
        client.invoke("Which port is open?")
    page.open_with_key(service)
    page.choose("runs", "Which port is open?")
    page.wait_for("#run", "Answer")
    addresses = page.evaluate("performance.getEntries().map(e => e.name).filter(name => name.includes(':'))")
    assert any("/v1/_local/runs/" in address for address in addresses)
    assert [address for address in addresses if not address.startswith((f"{service.base_url}/", "data:"))] == []
    assert page.complaints() == []


def test_the_key_is_only_in_the_storage_of_the_tab(gated: Gated, page: Page) -> None:
    """It outlives a reload of the tab, is nowhere else, and is gone once it is to be forgotten."""
    service, _ = gated()
    page.open_with_key(service)
    assert page.evaluate("Object.values(sessionStorage)") == [service.api_key]
    assert page.evaluate("[localStorage.length, document.cookie, location.search + location.hash]") == [0, "", ""]
    assert page.cookies() == []
    assert page.evaluate("document.getElementById('key').value") == ""
    assert service.api_key not in page.evaluate("document.documentElement.outerHTML")
    assert not any(service.api_key in name for name in page.evaluate("performance.getEntries().map(e => e.name)"))
    page.reload()
    page.wait_for("#status", "Live")
    page.click("#leave")
    assert page.shows("#key")
    assert page.evaluate("sessionStorage.length") == 0
    page.reload()
    assert page.shows("#key")
    assert not page.shows("#window")
