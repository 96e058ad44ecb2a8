"""How the window looks: themes, widths, columns, names, contrast, states in words; and pictures of all of it."""

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
ESCAPE = "\ue00c"
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

#: Texts whose contrast to what is behind them is too low, each with its class and ratio.
CONTRASTS = """(() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const pixel = (colours) => {
        for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const behind = (one) => one ? [...behind(one.parentElement), getComputedStyle(one).backgroundColor] : [];
    const linear = (value) => value <= .03928 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4;
    const light = (colours) => pixel(colours).map((value) => linear(value / 255))
        .reduce((sum, value, index) => sum + value * [.2126, .7152, .0722][index], .05);
    const hasText = (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const low = [];
    for (const one of document.querySelectorAll('body *')) {
        if (!one.offsetWidth || one.closest('button:disabled') || !hasText(one)) continue;
        const back = light(behind(one)), front = light([...behind(one), getComputedStyle(one).color]);
        const ratio = Math.max(back, front) / Math.min(back, front);
        if (ratio < 4.5) low.push([one.className || one.tagName, one.textContent.slice(0, 30), ratio]);
    }
    return low;
})()"""
#: The columns of the other views: their lists, with a text of a row to choose, and their names.
DEEPER = {
    "sessions": (("sessions", "Refund desk", "Sessions"), ("tree", "gpt-4o-mini", "Events"), "Event"),
    "backend": (("shelves", "Posts", "Collections"), ("entries", "tap", "Entries"), "Entry"),
}
SEEN = "[...document.querySelectorAll('main:not([hidden]) > section')].filter(one => one.offsetWidth)"


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
            (
                "c",
                "b",
                "function_call",
                {"function_name": "find_order", "error": "timeout after 2 s"},
                {"duration": 2.0},
            ),
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
        return
    page.click(f"[data-view={view}]")
    for list_id, text, _ in DEEPER[view][:2]:
        page.choose(list_id, text)
    page.wait_for("#event-parts, #entry-parts", "In the harbour." if view == "sessions" else "Leaking tap")


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
    seen = f"{SEEN}.map(one => one.ariaLabel)"
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
    for view, (first, second, last) in DEEPER.items():
        page.click(f"[data-view={view}]")
        for list_id, text, column in (first, second):
            page.wait_until(f"{seen}.join() === '{column}'")
            page.choose(list_id, text)
        page.wait_until(f"{seen}.join() === '{last}'")
        assert page.evaluate(fits)
        page.press(ESCAPE)
        page.wait_until(f"{seen}.join() === '{second[2]}'")


@pytest.mark.parametrize("view", TABS)
def test_every_control_has_a_name(harbour: LocalLumnis, page: Page, view: str) -> None:
    """What a screen reader says of it; a status has a word beside its sign."""
    opened(page, harbour, view)
    controls = page.controls()
    assert len(controls) > 8
    assert [role for role, name in controls if not name.strip()] == []
    states = "[...document.querySelectorAll('main:not([hidden]) .state')]"
    assert page.evaluate(f"{states}.every(one => one.querySelector('svg') && one.innerText)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", TABS)
def test_texts_stand_out_from_what_is_behind_them(harbour: LocalLumnis, page: Page, view: str, scheme: str) -> None:
    """With the contrast that accessible pages need: 4.5 to 1."""
    page.prefer(scheme)
    opened(page, harbour, view)
    found = page.evaluate(CONTRASTS)
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
    for view, (first, second, _) in DEEPER.items():
        page.click(f"[data-view={view}]")
        page.choose(*first[:2])
        page.wait_for(f"#{second[0]}", second[1])
        picture(f"{view}-list")
        page.choose(*second[:2])
        page.wait_for("#event-parts, #entry-parts", "{")
        picture(view)
    assert all(path.stat().st_size > 5_000 for path in seen.values())
    assert [text for text in page.complaints() if not re.search(r"Failed to load resource", text)] == []
