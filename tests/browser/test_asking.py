"""Asking in the window: new threads, further turns, answers that grow, cancelling, feedback; nothing is lost."""

from __future__ import annotations

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis, Script, Step
from tests.browser.conftest import Gated, Writing
from tests.browser.page import Page
from tests.conftest import Serve
from tests.servers import ScriptByText

ENTER = "\ue007"
SHIFT_ENTER = "\ue008\ue007\ue000"
CONTROL_ENTER = "\ue009\ue007\ue000"


def runs_of(service: LocalLumnis) -> list[tuple[str, str | None]]:
    """Return question and thread of all runs, oldest first."""
    with Client(service.api_key, base_url=service.base_url) as client:
        runs = client.responses.list(scope="tenant").responses
    return [(run.input_messages[-1].content, run.thread_id) for run in reversed(runs)]


def test_a_thread_is_begun_and_continued_from_the_page(serve: Serve, page: Page) -> None:
    """Enter or Ctrl+Enter asks, Shift+Enter makes a line; the further question is one of the same thread and user."""
    answers = {"Which port?\nSay one.": Script([Step("Looking.")], "North Quay", title="Ports")}
    service = serve(ScriptByText(answers, Script(output_text="Until 22:00")))
    page.open_with_key(service)
    page.type("#as", "ines@example.org")
    page.press(f"Which port?{SHIFT_ENTER}Say one.{ENTER}", "#question")
    page.wait_for("#talk", "Which port?\nSay one.", "succeeded", "ines@example.org", "1 step", "North Quay")
    page.wait_for("#threads [aria-current=true]", "Ports")
    assert page.evaluate("document.getElementById('question').value") == ""
    page.press(f"Until when?{CONTROL_ENTER}", "#question")
    page.wait_for("#talk", "North Quay", "Until when?", "Until 22:00")
    page.wait_for("#runs", "Ports", "Until when?")
    (first, thread), (second, same) = runs_of(service)
    assert (first, second, same) == ("Which port?\nSay one.", "Until when?", thread)
    with Client(service.api_key, base_url=service.base_url) as client:
        found = client.responses.list(user_id="ines@example.org").responses
    assert len(found) == 2


def test_nothing_is_asked_without_a_text(serve: Serve, page: Page) -> None:
    """Neither by the button nor by Enter on blanks."""
    service = serve(Script(output_text="done"))
    page.open_with_key(service)
    page.press(f"  {ENTER}", "#question")
    assert page.evaluate("document.getElementById('send').disabled")
    page.press("Where?", "#question")
    assert not page.evaluate("document.getElementById('send').disabled")
    page.click("#send")
    page.wait_for("#talk", "done")
    assert [text.strip() for text, _ in runs_of(service)] == ["Where?"]


def test_an_answer_grows_while_it_is_written(writing: Writing, page: Page) -> None:
    """Each piece is there before the next may be written; what stood there stays the same elements."""
    usage = {"input_tokens": 31, "output_tokens": 12}
    service, engine = writing("## Ports\n\nNorth", " *Quay*\n", "\n- one", usage=usage, model="gpt-4o-mini")
    page.open_with_key(service)
    page.press(f"Which port?{ENTER}", "#question")
    page.wait_for("#talk", "in progress")
    engine.open()
    page.wait_for(".answer", "Ports", "North")
    page.evaluate("void (window.heading = document.querySelector('.answer h3'))")
    assert page.evaluate("document.querySelector('.answer').ariaBusy") == "true"
    engine.open()
    page.wait_for(".answer em", "Quay")
    engine.open()
    page.wait_for(".answer li", "one")
    assert page.evaluate("window.heading === document.querySelector('.answer h3')")
    assert "gpt-4o-mini" not in page.text(".facts")
    engine.open()
    page.wait_for(".facts", "succeeded", "gpt-4o-mini", "31 + 12 tokens")
    assert page.evaluate("document.querySelector('.answer').ariaBusy") == "false"
    assert page.text(".steps summary").startswith("1 step,")


def test_a_run_is_cancelled_from_the_page(writing: Writing, page: Page) -> None:
    """Its engine is stopped, and the text so far stays."""
    service, engine = writing("It is the")
    page.open_with_key(service)
    page.press(f"Which port?{ENTER}", "#question")
    engine.open()
    page.wait_for(".answer", "It is the")
    page.click(".doings button")
    page.wait_for(".facts", "cancelled")
    page.wait_for(".turn-answer", "Answer so far", "It is the")
    page.wait_for("#runs", "cancelled")
    assert engine.is_cancelled
    page.wait_until("!document.querySelector('.comment')")
    assert "Cancel run" not in page.text("#talk")


def test_feedback_reaches_the_run(writing: Writing, page: Page) -> None:
    """The engine reads it, the page says so; what is being typed stays while the run changes."""
    service, engine = writing("one", " two", " three")
    page.open_with_key(service)
    page.press(f"Count.{ENTER}", "#question")
    page.wait_for("#talk", "in progress")
    page.type(".comment input", "in French, please")
    engine.open()
    page.wait_for(".answer", "one")
    assert page.evaluate("document.querySelector('.comment input').value") == "in French, please"
    page.press(ENTER, ".comment input")
    page.wait_for(".remarks", "in French, please", "suggestion", "not read yet")
    engine.open()
    page.wait_for(".answer", "one two")
    page.wait_for(".remarks", "· read by the run")
    assert engine.feedback == ["in French, please"]


def test_a_question_whose_reply_is_lost_is_asked_once(serve: Serve, page: Page) -> None:
    """It says that the service cannot be reached, keeps the text, and asking again is the same request."""
    service = serve(Script(output_text="done"))
    page.open_with_key(service)
    lost = "all[1].method === 'POST' ? real(...all).then(() => { throw new TypeError('lost'); }) : real(...all)"
    page.evaluate(f"void (window.real = window.fetch, window.fetch = (...all) => {lost})")
    page.press(f"Which port?{ENTER}", "#question")
    page.wait_for("#hint.bad", "Ask again.")
    assert page.evaluate("document.getElementById('question').value") == "Which port?"
    page.evaluate("void (window.fetch = window.real)")
    page.press(ENTER, "#question")
    page.wait_for("#talk", "Which port?", "done")
    assert len(runs_of(service)) == 1


def test_a_refused_question_is_kept_with_the_reason(serve: Serve, page: Page) -> None:
    """In the words of the service."""
    service = serve(Script(output_text="done"), max_body=500)
    page.open_with_key(service)
    page.type("#question", "why " * 200)
    page.press(ENTER, "#question")
    page.wait_for("#hint.bad", "500 bytes")
    assert len(page.evaluate("document.getElementById('question').value")) == 800


def test_steps_run_and_fold_and_show_how_long_they_take(gated: Gated, page: Page) -> None:
    """The step that works counts on; finished ones have their time; the steps of an earlier turn are one line."""
    service, engine = gated(Script([Step("Looking.")]), Script([Step("Comparing.")]), Script(output_text="done"))
    page.open_with_key(service)
    page.press(f"Which port?{ENTER}", "#question")
    engine.open()
    page.wait_for(".progress", "Looking.")
    running = "document.querySelector('.progress .now .elapsed').textContent"
    before = page.evaluate(running)
    page.wait_until(f"{running} !== '{before}'")
    engine.open()
    page.wait_for(".progress .now", "Comparing.")
    assert page.evaluate("document.querySelectorAll('.progress [data-since]').length") == 1
    engine.open()
    page.wait_for(".answer", "done")
    page.wait_until("!document.querySelector('[data-since]')")
    assert page.evaluate("document.querySelector('.steps').open"), "what one reads does not jump"
    page.reload()
    page.wait_for(".answer", "done")
    assert not page.evaluate("document.querySelector('.steps').open")
    assert page.text(".steps summary").startswith("2 steps,")


def test_earlier_turns_of_a_long_thread_are_shown_when_wanted(serve: Serve, page: Page) -> None:
    """The newest twenty at first, at their end; the others above them."""
    service = serve(Script(output_text="done"))
    with Client(service.api_key, base_url=service.base_url, user_id="user-123") as client:
        thread = client.threads.create(title="Counting").thread_id
        for number in range(22):
            client.invoke(f"Question {number}.", thread_id=thread)
    page.open_with_key(service)
    page.choose("threads", "Counting")
    page.wait_for("#talk", "Question 2.", "Question 21.", "Show earlier turns")
    box = "document.getElementById('reading')"
    assert page.evaluate(f"{box}.scrollHeight - {box}.scrollTop - {box}.clientHeight") < 2
    assert "Question 1." not in page.text("#talk").split("\n")
    page.click("[data-id=earlier] button")
    page.wait_for("#talk", "Question 0.")
    assert page.evaluate("document.querySelectorAll('article.turn').length") == 22
