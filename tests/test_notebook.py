"""Lumnis in Jupyter: in a real kernel, and the parts that need none."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.formatters import DisplayFormatter
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from lumnisai_core import Client, ResponseObject, RunOutcome, RunUpdate
from lumnisai_core.exceptions import RunFailedError, TransportError, ValidationError
from lumnisai_core.local import LocalLumnis, OfflineEngine
from lumnisai_integrations.notebook import (
    LumnisProgress,
    Markdown,
    load_ipython_extension,
    table,
    unload_ipython_extension,
)
from tests.notebooks import clean_jupyter
from tests.servers import EndlessEngine

QUESTION = "Neap tides are **small**. Which tides are small?"
PREPARE = f"""
import asyncio, os
from lumnisai_core import AsyncClient, Client
from lumnisai_integrations.notebook import LumnisProgress, Markdown, table
client, async_client = Client(user_id="u"), AsyncClient(user_id="u")
there = {{"api_key": os.environ["ENDLESS_API_KEY"], "base_url": os.environ["ENDLESS_BASE_URL"]}}
endless, async_endless = Client(**there, user_id="u"), AsyncClient(**there, user_id="u")
QUESTION = {QUESTION!r}
"""


@dataclass
class Cell:
    """The outcome of a cell: how it ended, and its outputs in order."""

    status: str = ""
    error: str = ""
    traceback: list[str] = field(default_factory=list)
    results: list[dict[str, str]] = field(default_factory=list)
    shown: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    printed: str = ""

    @property
    def display(self) -> list[dict[str, str]]:
        """Every state of the only live display."""
        (states,) = self.shown.values()
        return states

    def take(self, kind: str, content: dict[str, Any]) -> None:
        if kind == "stream":
            self.printed += content["text"]
        elif kind == "execute_result":
            self.results.append(content["data"])
        elif kind in ("display_data", "update_display_data"):
            self.shown.setdefault(content["transient"]["display_id"], []).append(content["data"])
        elif kind == "error":
            self.error, self.traceback = content["ename"], content["traceback"]


class Kernel:
    """A kernel that runs one cell after the other."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self._manager = manager
        self._client = client

    def run(self, code: str, *interrupt_at: str) -> Cell:
        """Run a cell; with texts, interrupt it once, when all of them are shown together."""
        cell, left = Cell(), list(interrupt_at)

        def take(message: dict[str, Any]) -> None:
            cell.take(message["msg_type"], message["content"])
            shown = "" if message["msg_type"] == "execute_input" else str(message["content"])
            if left and all(text in shown for text in left):
                left.clear()
                os.kill(self._manager.provisioner.pid, signal.SIGINT)  # type: ignore[union-attr]  # is a process

        reply = self._client.execute_interactive(code, output_hook=take, allow_stdin=False, timeout=120)
        cell.status = reply["content"]["status"]
        return cell


@pytest.fixture(scope="module")
def endless() -> Iterator[LocalLumnis]:
    with LocalLumnis(engine=EndlessEngine()) as service:
        yield service


@pytest.fixture(scope="module")
def kernel(endless: LocalLumnis) -> Iterator[Kernel]:
    with clean_jupyter(), LocalLumnis(engine=OfflineEngine(step_delay=0.02)) as local:
        environment = {
            "LUMNISAI_API_KEY": local.api_key,
            "LUMNISAI_BASE_URL": local.base_url,
            "ENDLESS_API_KEY": endless.api_key,
            "ENDLESS_BASE_URL": endless.base_url,
        }
        manager = KernelManager()
        # Measured by coverage, a kernel under load was seen to lose the cancellation of a cell.
        outside = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        manager.start_kernel(env=outside | environment, extra_arguments=["--log-level=ERROR"])
        client = manager.client()
        try:
            client.start_channels()
            client.wait_for_ready(timeout=120)
            made = Kernel(manager, client)
            assert made.run(PREPARE).status == "ok"
            yield made
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
            manager.context.destroy()


@pytest.fixture
def runs(endless: LocalLumnis) -> Iterator[Callable[[], list[ResponseObject]]]:
    """The runs that never end by themselves; what a test leaves of them is stopped."""
    with Client(endless.api_key, base_url=endless.base_url, user_id="u") as client:
        yield lambda: list(client.responses.list().items)
        for run in client.responses.list().items:
            if not run.is_terminal:
                client.responses.cancel(run.response_id)


@pytest.mark.processes
@pytest.mark.parametrize("call", ["client.invoke", "await async_client.invoke"])
def test_a_call_in_a_cell_shows_progress_live_and_its_answer_as_markdown(kernel: Kernel, call: str) -> None:
    """The kernel's event loop runs all the while; a plain call and ``await`` both work."""
    cell = kernel.run(f"{call}(QUESTION, on_progress=LumnisProgress())")
    assert cell.status == "ok"
    assert cell.results[0]["text/markdown"] == "Neap tides are **small**."
    first, last = cell.display[0]["text/plain"], cell.display[-1]["text/html"]
    assert len(cell.display) >= 3
    assert "Run finished." not in first
    assert "Run finished." in last
    assert "<details><summary>✓ " in last  # folded
    assert cell.printed == ""


@pytest.mark.processes
def test_many_runs_share_one_display(kernel: Kernel) -> None:
    """Also when updates come from several threads, as with ``responses.map``."""
    cell = kernel.run("table(client.responses.map([QUESTION] * 3, on_progress=LumnisProgress()))")
    assert cell.display[-1]["text/plain"].count("✓") == 3
    assert cell.results[0]["text/html"].count("succeeded") == 3
    cell = kernel.run("""
        progress = LumnisProgress()
        await asyncio.gather(*(async_client.invoke(QUESTION, on_progress=progress) for _ in range(3)))
    """)
    assert cell.display[-1]["text/plain"].count("✓") == 3


@pytest.mark.processes
def test_many_runs_have_a_progress_bar(kernel: Kernel) -> None:
    """At the end it is one line, and nothing is printed beside it."""
    cell = kernel.run("for outcome in client.responses.map([QUESTION] * 3, progress=True): pass")
    assert '<progress max="3" value="1"></progress> 1/3 rows, ' in cell.display[0]["text/html"]
    assert cell.display[-1]["text/html"].startswith("<div>✓ 3/3 rows, ")
    assert cell.printed == ""


@pytest.mark.processes
@pytest.mark.parametrize("call", ["endless.invoke", "await async_endless.invoke"])
def test_interrupting_a_cell_stops_the_run_and_shows_how_to_resume(
    kernel: Kernel, runs: Callable[[], list[ResponseObject]], call: str
) -> None:
    before = len(runs())
    cell = kernel.run(f"{call}('How long?', on_progress=LumnisProgress())", "Working.")
    assert cell.error in ("KeyboardInterrupt", "CancelledError")
    run = runs()[0]
    assert (len(runs()), run.status) == (before + 1, "cancelled")
    way = f"Continue its thread with thread_id='{run.thread_id}'."
    assert cell.traceback == [f"{cell.error}: The service was asked to stop run {run.response_id}. {way}"]
    assert "TO RESUME" not in cell.display[-1]["text/plain"]  # would say it twice
    assert kernel.run("1 + 1").results[0]["text/plain"] == "2"


@pytest.mark.processes
def test_an_interrupted_run_can_be_left_working(kernel: Kernel, runs: Callable[[], list[ResponseObject]]) -> None:
    code = "endless.invoke('How long?', on_progress=LumnisProgress(), cancel_on_interrupt=False)"
    cell = kernel.run(code, "Working.")
    assert cell.error == "KeyboardInterrupt"
    assert runs()[0].status == "in_progress"
    (line,) = cell.traceback
    assert f"wait for it with client.responses.wait('{runs()[0].response_id}')" in line


@pytest.mark.processes
@pytest.mark.parametrize("call", ["list(endless", "[outcome async for outcome in async_endless"])
def test_interrupting_many_runs_stops_them_and_shows_how_to_resume(
    kernel: Kernel, runs: Callable[[], list[ResponseObject]], call: str
) -> None:
    end = ")" if call.startswith("list") else "]"
    code = f"{call}.responses.map(['How long?'] * 3, on_progress=LumnisProgress()){end}"
    cell = kernel.run(code, "[1]", "[2]", "[3]")
    (line,) = cell.traceback
    assert line.startswith(f"{cell.error}: Interrupted at 0/3 rows, ")
    assert line.endswith("The service was asked to stop the unfinished runs. With ledger=path, the same call resumes.")
    assert {str(run.status) for run in runs()[:3]} == {"cancelled"}
    text = cell.display[-1]["text/plain"]
    known = [f"client.responses.wait('{run.response_id}')" in text for run in runs()[:3]]
    assert sum(known) + text.count("CANCELLED") >= 3  # a run whose end is seen in time needs no hint


@pytest.mark.processes
def test_a_plain_call_that_is_interrupted_stops_its_run(
    kernel: Kernel, runs: Callable[[], list[ResponseObject]]
) -> None:
    cell = kernel.run("endless.invoke('How long?', show_progress=True)", "Working.")
    assert cell.error == "KeyboardInterrupt"
    assert runs()[0].status == "cancelled"


@pytest.mark.processes
def test_pages_are_tables_and_the_extension_makes_tables_of_lists(kernel: Kernel) -> None:
    assert "<table" in kernel.run("client.invoke(QUESTION); client.threads.list()").results[0]["text/html"]
    listed = "client.threads.list().items"
    assert "text/html" not in kernel.run(listed).results[0]
    kernel.run("%load_ext lumnisai_integrations.notebook")
    assert "<table" in kernel.run(listed).results[0]["text/html"]
    assert "<table" in kernel.run("list(client.responses.map([QUESTION]))").results[0]["text/html"]
    outcome = kernel.run("list(client.responses.map([QUESTION]))[0]").results[0]
    assert outcome["text/markdown"] == "Neap tides are **small**."
    assert "text/html" not in kernel.run("[1, 2]").results[0]
    kernel.run("%unload_ext lumnisai_integrations.notebook")
    assert "text/html" not in kernel.run(listed).results[0]


@pytest.mark.processes
def test_calls_work_beside_nest_asyncio(kernel: Kernel) -> None:
    """Which other packages load in notebooks; it makes ``asyncio.run`` work inside a running loop."""
    kernel.run("import nest_asyncio; nest_asyncio.apply()")
    for call in ("client.invoke(QUESTION)", "await async_client.invoke(QUESTION)"):
        assert kernel.run(call).results[0]["text/markdown"] == "Neap tides are **small**."
    nested = "asyncio.run(AsyncClient(user_id='u').invoke(QUESTION))"
    assert kernel.run(nested).results[0]["text/markdown"] == "Neap tides are **small**."


def test_without_a_notebook_progress_is_lines(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    client.invoke(QUESTION, on_progress=LumnisProgress())
    assert "COMPLETED: Run finished.\n" in capsys.readouterr().out


def test_without_a_cell_a_with_block_shows_how_to_resume() -> None:
    lines: list[str] = []
    picked = "client.responses.wait('r-1') resumes a run that is still working."
    with pytest.raises(KeyboardInterrupt), LumnisProgress(lines.append) as progress:
        progress(RunUpdate("r-1", "t-1", "in_progress", "processing", "Working.", entry_index=0))
        raise KeyboardInterrupt
    assert lines == [
        "PROCESSING: Working.",
        "INTERRUPTED: This stops the run on the service, unless it was made with cancel_on_interrupt=False.",
        f"TO RESUME: thread_id='t-1' continues its conversation; {picked}",
    ]


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        (SimpleNamespace(error_in_exec=KeyboardInterrupt()), True),
        (None, True),  # cancelled while it awaited something
        (SimpleNamespace(error_in_exec=ZeroDivisionError()), False),
        (SimpleNamespace(error_in_exec=None), False),
    ],
)
def test_only_an_interrupted_cell_shows_how_to_resume(
    monkeypatch: pytest.MonkeyPatch, result: SimpleNamespace | None, shown: bool
) -> None:
    ended: list[Callable[[object], None]] = []
    events = SimpleNamespace(register=lambda _, call: ended.append(call), unregister=lambda _, call: ended.remove(call))
    ipython = SimpleNamespace(get_ipython=lambda: SimpleNamespace(events=events))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    lines: list[str] = []
    progress = LumnisProgress(lines.append)
    for message in ("Reading.", "Working."):
        progress(RunUpdate("r-1", "t-1", "in_progress", "processing", message, entry_index=0))
    (cell_ended,) = ended
    cell_ended(result)
    assert ended == []
    assert any("r-1" in line for line in lines) == shown


def test_the_extension_changes_lists_of_models_only() -> None:
    formatter: Any = DisplayFormatter()
    shell = SimpleNamespace(display_formatter=formatter)
    load_ipython_extension(shell)
    run, _, good = ResponseObject(response_id="r-1"), *outcomes()[1:]
    assert "r-1" in formatter.format([run])[0]["text/html"]
    assert formatter.format(good)[0]["text/markdown"] == "&lt;b>Small&lt;/b>"
    assert "No answer." in formatter.format(outcomes()[0])[0]["text/html"]
    for other in ([], [run, 1], [1, 2], ()):
        assert "text/html" not in formatter.format(other)[0]
    unload_ipython_extension(shell)
    assert "text/html" not in formatter.format([run])[0]


def test_an_unknown_display_is_refused() -> None:
    with pytest.raises(ValidationError, match="display must be one of"):
        LumnisProgress("paper")  # type: ignore[arg-type]


def outcomes() -> list[RunOutcome]:
    good = ResponseObject(response_id="r-1", status="succeeded", output_text="<b>Small</b>")
    bad = ResponseObject(response_id="r-2", status="failed")
    failed = RunFailedError("It failed.", response_id="r-2", response=bad)
    return [RunOutcome(2, error=TransportError("No answer.")), RunOutcome(1, error=failed), RunOutcome(0, good)]


def test_outcomes_are_a_table_in_the_order_of_their_inputs() -> None:
    assert repr(table(outcomes())).splitlines() == [
        "index  answer        response_id  status     error",
        "0      <b>Small</b>  r-1          succeeded",
        "1                    r-2          failed     It failed.",
        "2                                            No answer.",
    ]
    assert "&lt;b&gt;Small" in table(outcomes())._repr_html_()
    assert len(table(iter(outcomes()))) == 3


def test_columns_can_be_chosen() -> None:
    made = table([{"a": 1, "b": 2, "c": 3}, {"a": 4}], columns=["c", "a"])
    assert [line.split() for line in repr(made).splitlines()] == [["c", "a"], ["3", "1"], ["4"]]
    run = ResponseObject.model_validate({"response_id": "r-1", "cost": 0.5})
    assert repr(table([run], columns=["cost"])) == "cost\n0.5"
    with pytest.raises(ValidationError, match="There is no column 'd': the columns are a, b, c"):
        table([{"a": 1, "b": 2, "c": 3}], columns=["d"])
    assert repr(table([], columns=["a"])) == "nothing"


def test_a_table_of_one_thing_is_refused(client: Client) -> None:
    """Pages and texts can be iterated over, but their items are not rows."""
    for one in (client.list_threads(limit=1), "threads"):
        with pytest.raises(ValidationError, match=f"items must be a list, got one {type(one).__name__}: pass"):
            table(one)
    with pytest.raises(ValidationError, match=r"got 'title': pass \['title'\]"):
        table([{"title": "Tides"}], columns="title")


def test_a_text_of_a_framework_is_shown_as_harmless_markdown() -> None:
    text = Markdown("**Small** <script>")
    assert text._repr_markdown_() == "**Small** &lt;script>"
    assert repr(text) == "**Small** <script>"
    with pytest.raises(ValidationError, match="text must be a string, got ResponseObject"):
        Markdown(ResponseObject(response_id="r"))  # type: ignore[arg-type]
