"""The application backend in the window: its outbox, its files and its collections."""

from __future__ import annotations

import httpx

from lumnisai_core.local import LocalLumnis
from tests.browser.conftest import Gated
from tests.browser.page import Page

MARKUP = "<img src=x onerror='window.ran = true'>"


def filled(service: LocalLumnis) -> None:
    """Store an e-mail, a file and two documents."""
    project = f"/lm/{service.lumi.project_id}"
    with httpx.Client(base_url=service.lumi.base_url) as caller:
        mail = {"to": ["ines@example.org"], "subject": f"Booked {MARKUP}", "text": "Thursday, 9:00."}
        caller.post(f"{project}/email/send", json=mail)
        caller.post(f"{project}/file/batch", files=[("files", ("tap.txt", b"drip", "text/plain"))])
        documents = [{"_id": "tap", "title": "Leaking tap"}, {"_id": "lamp", "title": MARKUP}]
        caller.post(f"{project}/Posts/documents/batch", json=documents)


def test_outbox_files_and_collections_are_shown(gated: Gated, page: Page) -> None:
    """Each as a list whose entries open; new ones appear by themselves, and all of it as text."""
    service, _ = gated()
    page.open_with_key(service)
    page.click("[data-view=backend]")
    page.wait_for("#no-entries", "Nothing yet.")
    filled(service)
    page.choose("entries", "Booked")
    page.wait_for("#entry", "Thursday, 9:00.", MARKUP)
    page.choose("shelves", "Posts")
    page.wait_for("#shelves", "2 documents")
    page.choose("entries", "tap")
    page.wait_for("#entry", '"title": "Leaking tap"')
    page.choose("entries", "lamp")
    page.wait_for("#entry", MARKUP)
    page.choose("shelves", "Files")
    page.choose("entries", "tap.txt")
    page.wait_for("#entry", "4 bytes", "Download")
    address = page.evaluate("document.querySelector('#entry-parts a').href")
    assert httpx.get(address).content == b"drip"
    assert page.evaluate("window.ran") is None


def test_only_the_key_of_the_service_shows_the_backend(gated: Gated, page: Page) -> None:
    """Other tenants read why; nothing of it stays when a key is forgotten."""
    service, _ = gated(tenants={"Harbour": ["theirs"]}, api_key="ours")
    filled(service)
    page.open(service)
    page.enter("theirs")
    page.wait_for("#status", "Live")
    page.click("[data-view=backend]")
    page.wait_for("#notice", "The backend is shown to the service's own key only.")
    page.click("#leave")
    page.enter("ours")
    page.click("[data-view=backend]")
    page.wait_for("#entries", "Booked")
    page.choose("entries", "Booked")
    page.wait_for("#entry", "Thursday")
    page.click("#leave")
    assert [page.text("#entries"), page.text("#shelves")] == ["", ""]
    assert "Thursday" not in page.evaluate("document.body.textContent")
