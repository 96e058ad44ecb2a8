"""How the window looks: themes, widths, columns, names of controls, contrast, states in words; and pictures of it all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lumnisai_core import Client
from lumnisai_core.exceptions import RunFailedError
from lumnisai_core.local import LocalLumnis, RunReport, RunRequest, RunResult, Script, Step
from tests.browser.conftest import WritingEngine
from tests.browser.page import Page
from tests.browser.test_backend import filled
from tests.browser.test_traces import LLM
from tests.house import ROOT
from tests.local.support import Lucidic
from tests.servers import ScriptByText

PICTURES = ROOT / "build" / "window"
TABS = ("runs", "sessions", "backend")
ANSWER = """**North Quay** is open until 22:00, says the [harbour office](https://example.org/harbour).

## Before you come
1. Enter from the *north*, with the beacon to port.
   - depth at low water: 3.2 m
   - call on channel `12`
2. Moor at berth 4.

| Berth | Length | Free |
|:------|-------:|:----:|
| 3     |   12 m |  no  |
| 4     |   18 m | yes  |

```python
def is_free(berth: int) -> bool:
    return berth in {4, 7}
```

> Strong currents until two hours after high water.
"""
SEARCH = {"name": "search_register", "args": {"place": "quay", "when": "tonight"}, "output_text": "North Quay: open"}


class Harbour:
    """Scripts by question; one answer is written as long as the test wants."""

    def __init__(self) -> None:
        self.writer = WritingEngine("Low water is at **3:50**, ", "so berth 4 is the only one.")
        ports = Script(
            [Step("Looking up the register.", tool_calls=[SEARCH]), Step("Comparing berths.")],
            ANSWER,
            structured_response={"port": "North Quay", "berth": 4},
            title="Open ports tonight",
        )
        closed = Script([Step("Looking up the register.")], error=("REGISTER_CLOSED", "The register opens on Monday."))
        tide = Script([Step("Reading the tide tables.")], "High water is at **21:40**.")
        self.scripts = ScriptByText({"Which port is open tonight?": ports, "Who has berth 9?": closed}, tide)

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        """Answer a question."""
        if request.input_messages[-1].content.startswith("Can I"):
            report.progress("Reading the tide tables.", tool_calls=[SEARCH])
            return await self.writer.run(request, report)
        result = await self.scripts.run(request, report)
        usage = {"input_tokens": 812, "output_tokens": 240}
        return RunResult(result.output_text, result.structured_response, usage=usage, model="gpt-4o-mini")


@pytest.fixture(scope="module")
def harbour() -> Iterator[LocalLumnis]:
    """A service with something in every view: runs of every kind, a session, and a backend."""
    engine = Harbour()
    with (
        LocalLumnis(engine=engine, tenants={"Harbour office": ["key"]}, api_key="key") as service,
        Client("key", base_url=service.base_url, user_id="ines@example.org") as client,
        Lucidic(service) as lucidic,
    ):
        client.users.create(email="ines@example.org")
        thread = client.invoke("Which port is open tonight?").thread_id
        client.invoke("When is high water?", thread_id=thread)
        client.invoke("Where do I pay the harbour dues when the office is closed and it is a public holiday?")
        with pytest.raises(RunFailedError):
            client.invoke("Who has berth 9?")
        live = client.responses.create("Can I moor at berth 4 with two metres of draught?")
        engine.writer.open()
        session_id = lucidic.session(session_name="Refund desk")
        for name, parent, type_, payload, more in (
            ("a", None, "function_call", {"function_name": "handle_refund"}, {"duration": 2.31}),
            ("b", "a", "llm_generation", LLM, {"duration": 1.42}),
            ("c", "b", "function_call", {"function_name": "find_order", "error": "timeout after 2 s"}, {"duration": 2.0}),
            ("d", "a", "generic", {"details": "Answered."}, {}),
        ):
            lucidic.event(session_id, payload, type=type_, client_event_id=name, client_parent_event_id=parent, **more)
        filled(service)
        yield service
        client.responses.cancel(live.response_id)
        engine.writer.open()


def opened(page: Page, service: LocalLumnis, view: str = "runs") -> None:
    """Show a view with something chosen in it."""
    page.open_with_key(service)
    if view == "runs":
        page.choose("runs", "Open ports tonight")
        page.wait_for("#talk", "Structured answer")
    elif view == "sessions":
        page.click("[data-view=sessions]")
        page.choose("sessions", "Refund desk")
        page.choose("tree", "gpt-4o-mini")
        page.wait_for("#event-parts", "In the harbour.")
    else:
        page.click("[data-view=backend]")
        page.choose("shelves", "Posts")
        page.choose("entries", "tap")
        page.wait_for("#entry-parts", "Leaking tap")


def test_the_theme_is_that_of_the_system_until_one_is_chosen(harbour: LocalLumnis, page: Page) -> None:
    """The switch has three places; the choice outlives the tab, and nothing else does."""
    colour = "getComputedStyle(document.body).backgroundColor"
    page.prefer("light")
    page.open_with_key(harbour)
    assert page.evaluate(colour) == "rgb(255, 255, 255)"
    page.prefer("dark")
    dark = page.evaluate(colour)
    assert dark != "rgb(255, 255, 255)"
    name = "document.getElementById('theme').ariaLabel"
    assert page.evaluate(name) == "Theme: as the system"
    page.click("#theme")
    assert page.evaluate(f"[{name}, {colour}]") == ["Theme: light", "rgb(255, 255, 255)"]
    page.reload()
    page.wait_for("#status", "Live")
    assert page.evaluate(f"[{name}, {colour}]") == ["Theme: light", "rgb(255, 255, 255)"]
    assert page.evaluate("Object.entries(localStorage)") == [["lumnis-theme", "light"]]
    page.prefer("light")
    page.click("#theme")
    assert page.evaluate(f"[{name}, {colour}]") == ["Theme: dark", dark]
    page.click("#theme")
    assert page.evaluate(f"[{name}, {colour}]") == ["Theme: as the system", "rgb(255, 255, 255)"]
    page.evaluate("void localStorage.clear()")


@pytest.mark.parametrize("view", TABS)
def test_columns_scroll_by_themselves(harbour: LocalLumnis, page: Page, view: str) -> None:
    """The page itself never scrolls, in neither direction, however low it is."""
    page.resize(1200, 300)
    opened(page, harbour, view)
    root = "document.documentElement"
    assert page.evaluate(f"[{root}.scrollHeight <= innerHeight, {root}.scrollWidth <= innerWidth]") == [True, True]
    boxes = "[...document.querySelectorAll('main:not([hidden]) .scroll')]"
    assert page.evaluate(f"{boxes}.map(box => getComputedStyle(box).overflowY)") == ["auto"] * 3
    assert page.evaluate(f"{boxes}.some(box => box.scrollHeight > box.clientHeight)")


def test_a_phone_shows_one_column_at_a_time(harbour: LocalLumnis, page: Page) -> None:
    """Choosing goes deeper, the button at the top goes back; nothing is wider than the screen."""
    page.resize(390, 844)
    page.open_with_key(harbour)
    seen = "[...document.querySelectorAll('main:not([hidden]) > section')].filter(one => one.offsetWidth).map(one => one.ariaLabel)"
    fits = "document.documentElement.scrollWidth <= 390"
    assert page.evaluate(f"[{seen}, {fits}]") == [["Runs"], True]
    page.choose("runs", "Open ports tonight")
    page.wait_for("#talk", "Structured answer")
    assert page.evaluate(f"[{seen}, {fits}]") == [["Run"], True]
    assert page.evaluate("document.getElementById('talk').scrollWidth <= 390")
    page.click("#up")
    page.wait_until(f"{seen}.join() === 'Runs'")
    page.click("section[aria-label=Runs] .back")
    page.choose("threads", "Open ports tonight")
    page.wait_for("#talk", "High water")
    page.click("#up")
    page.wait_until(f"{seen}.join() === 'Threads'")
    for view, columns in (("sessions", ["Sessions", "Events", "Event"]), ("backend", ["Collections", "Entries", "Entry"])):
        page.click(f"[data-view={view}]")
        page.wait_until(f"{seen}.join() === '{columns[0]}'")
        page.choose("sessions" if view == "sessions" else "shelves", "Refund" if view == "sessions" else "Posts")
        page.wait_until(f"{seen}.join() === '{columns[1]}'")
        page.choose("tree" if view == "sessions" else "entries", "gpt-4o-mini" if view == "sessions" else "tap")
        page.wait_until(f"{seen}.join() === '{columns[2]}'")
        assert page.evaluate(fits)
        page.press("\ue00c")
        page.wait_until(f"{seen}.join() === '{columns[1]}'")


@pytest.mark.parametrize("view", TABS)
def test_every_control_has_a_name(harbour: LocalLumnis, page: Page, view: str) -> None:
    """What a screen reader says of it; a status has a word beside its sign."""
    opened(page, harbour, view)
    controls = page.controls()
    assert len(controls) > 8
    assert [role for role, name in controls if not name.strip()] == []
    assert page.evaluate("[...document.querySelectorAll('.state')].every(one => one.querySelector('svg') && one.innerText)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", TABS)
def test_texts_stand_out_from_what_is_behind_them(harbour: LocalLumnis, page: Page, view: str, scheme: str) -> None:
    """With the contrast that accessible pages need: 4.5 to 1."""
    page.prefer(scheme)
    opened(page, harbour, view)
    found = page.evaluate(
        """(() => {
        const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
        const pixel = (...colours) => {
            canvas.clearRect(0, 0, 1, 1);
            for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
            return [...canvas.getImageData(0, 0, 1, 1).data];
        };
        const behind = (one) => { const all = []; for (; one; one = one.parentElement) all.unshift(getComputedStyle(one).backgroundColor); return all; };
        const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
            .reduce((sum, v, index) => sum + v * [.2126, .7152, .0722][index], 0);
        const low = [];
        for (const one of document.querySelectorAll('body *')) {
            if (!one.offsetWidth || one.closest('button:disabled') || ![...one.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
            const [a, b] = [light(pixel(...behind(one), getComputedStyle(one).color)), light(pixel(...behind(one)))].sort();
            const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
            if (ratio < 4.5) low.push([one.className || one.tagName, one.textContent.slice(0, 30), Math.round(ratio * 100) / 100]);
        }
        return low; })()"""
    )
    assert found == []


def test_a_service_that_is_gone_is_named_and_awaited(page: Page) -> None:
    """What was there stays to be read; when the service is back, the page is live again."""
    with LocalLumnis(engine="offline", api_key="key") as first, Client("key", base_url=first.base_url) as client:
        client.invoke("Which port is open?", user_id="ines@example.org")
        page.open_with_key(first)
        page.choose("runs", "Which port is open?")
        page.wait_for("#talk", "succeeded")
        port = urlsplit(first.base_url).port
    page.wait_for("#notice", "The service cannot be reached. Trying again")
    assert page.shows("#notice")
    assert "succeeded" in page.text("#talk")
    assert page.text("#status") == ""
    with LocalLumnis(engine="offline", api_key="key", port=port or 0):
        page.wait_for("#status", "Live")
        assert not page.shows("#notice")
        page.wait_for("section[aria-label=Runs]", "No runs yet.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (900, 700), (390, 844)])
def test_pictures_are_taken(harbour: LocalLumnis, page: Page, width: int, height: int, scheme: str) -> None:
    """Of every view, for people to look at; the browser has nothing to complain about."""
    page.resize(width, height)
    page.prefer(scheme)
    page.open(harbour)
    seen: dict[str, Path] = {}

    def picture(name: str) -> None:
        seen[name] = PICTURES / f"{width}-{scheme}-{len(seen):02}-{name}.png"
        page.picture(seen[name])

    picture("key")
    page.enter("key")
    page.wait_for("#threads", "Open ports tonight")
    page.wait_for("#runs", "in progress", "failed")
    picture("start")
    for name, list_id, text, shown in (
        ("run", "runs", "Open ports tonight", "Structured answer"),
        ("failed", "runs", "Who has berth 9?", "REGISTER_CLOSED"),
        ("live", "runs", "Can I moor", "3:50"),
        ("thread", "threads", "Open ports tonight", "21:40"),
    ):
        page.go("#/threads" if list_id == "threads" else "#/runs")
        page.choose(list_id, text)
        page.wait_for("#talk", shown)
        if name == "run":
            page.click(".call summary")
        picture(name)
    page.go("#/runs")
    page.type("#find-run", "nowhere")
    page.wait_for("section[aria-label=Runs]", "No run fits")
    picture("nothing-found")
    for view in ("sessions", "backend"):
        page.click(f"[data-view={view}]")
        page.choose("sessions" if view == "sessions" else "shelves", "Refund" if view == "sessions" else "Posts")
        page.wait_for("#tree" if view == "sessions" else "#entries", "find_order" if view == "sessions" else "tap")
        picture(f"{view}-list")
        page.choose("tree" if view == "sessions" else "entries", "gpt-4o-mini" if view == "sessions" else "tap")
        page.wait_for("#event-parts" if view == "sessions" else "#entry-parts", "{")
        picture(view)
    assert all(path.stat().st_size > 5_000 for path in seen.values())
    assert [text for text in page.complaints() if not re.search(r"Failed to load resource", text)] == []
