"""`lumnis threads` and `lumnis runs` in a pipe."""

from __future__ import annotations

import json

import pytest

from lumnisai_core import Client
from lumnisai_core.local import Script, Step
from lumnisai_integrations._commands import UsageError
from lumnisai_integrations._commands.connection import SEARCHED, whole_id
from tests.cli.conftest import Lumnis
from tests.conftest import Serve
from tests.servers import EndlessEngine, FeedbackEngine

QUESTION = "Neap tides are small. Which tides are small?"


def test_threads_are_listed_shown_renamed_and_deleted(lumnis: Lumnis, key: str, client: Client) -> None:
    """Lines with tabs between the cells, and JSON as the service sends it."""
    run = client.invoke(QUESTION)
    other = client.create_thread(title="Other")
    listed = lumnis("threads", "list")
    assert {(row[0], row[1], row[3]) for row in listed.rows} == {
        (run.thread_id, "1", client.get_thread(run.thread_id or "").title),
        (other.thread_id, "0", "Other"),
    }
    assert len(lumnis("threads", "list", "--limit", "1").rows) == 1
    assert {thread["thread_id"] for thread in json.loads(lumnis("threads", "list", "--json").out)} == {
        run.thread_id,
        other.thread_id,
    }
    thread = run.thread_id or ""
    assert lumnis("threads", "rename", thread, "Gezeiten 潮汐").rows[0][3] == "Gezeiten 潮汐"
    assert json.loads(lumnis("threads", "rename", thread, "Tides", "--json").out)["title"] == "Tides"
    shown = lumnis("threads", "show", thread).out
    assert "title\tTides" in shown
    assert f"> {QUESTION}" in shown
    assert "Neap tides are small.\n" in shown.partition(QUESTION)[2]
    assert json.loads(lumnis("threads", "show", thread, "--json").out)["responses"][0]["status"] == "succeeded"
    deleted = lumnis("threads", "delete", thread, "nowhere", other.thread_id)
    assert (deleted.status, deleted.rows) == (1, [[thread, "deleted"], [other.thread_id, "deleted"]])
    assert "There is no thread nowhere" in deleted.err
    assert lumnis("threads", "list").out == ""


def test_runs_are_listed_and_shown(lumnis: Lumnis, key: str, client: Client) -> None:
    """By status, day and conversation."""
    first = client.invoke(QUESTION)
    second = client.invoke("And which are large?", thread_id=first.thread_id)
    other = client.invoke("Hello")
    assert [row[0] for row in lumnis("runs", "list").rows] == [run.response_id for run in (other, second, first)]
    row = lumnis("runs", "list", "--limit", "1").rows[0]
    assert (row[1], row[3]) == ("succeeded", "Hello")
    thread = ["runs", "list", "--thread", first.thread_id or ""]
    assert [row[0] for row in lumnis(*thread).rows] == [second.response_id, first.response_id]
    assert lumnis(*thread, "--status", "failed").rows == []
    assert lumnis(*thread, "--since", "2025-01-31").status == 2
    assert lumnis("runs", "list", "--since", "2999-01-01").rows == []
    assert len(json.loads(lumnis("runs", "list", "--json", "--limit", "all").out)) == 3
    shown = lumnis("runs", "show", first.response_id).out
    for part in (f"run\t{first.response_id}", "status\tsucceeded", f"> {QUESTION}", "PROCESSING", "\nAnswer\nNeap"):
        assert part in shown
    assert json.loads(lumnis("runs", "show", first.response_id, "--json").out)["output_text"] == first.output_text
    assert lumnis("runs", "show", "nowhere").status == 1


def test_a_run_is_followed_to_its_end(lumnis: Lumnis, key: str, client: Client) -> None:
    """The answer is on standard output; with --stream the updates, too, as lines or JSON."""
    run = client.invoke(QUESTION)
    done = lumnis("runs", "follow", run.response_id)
    assert (done.status, done.out) == (0, f"{run.output_text}\n")
    assert "PROCESSING: Thinking about the request." in done.err
    streamed = lumnis("runs", "follow", run.response_id, "--stream")
    assert streamed.out.endswith(f"\n{run.output_text}\n")
    assert "PROCESSING" in streamed.out
    updates = [
        json.loads(line)
        for line in lumnis("runs", "follow", run.response_id, "--stream", "--json").out.split("\n")[:-1]
    ]
    assert updates[-1]["response"]["output_text"] == run.output_text
    assert len(updates) == len(run.progress) + 1
    assert json.loads(lumnis("runs", "follow", run.response_id, "--json", "--quiet").out)["status"] == "succeeded"


def test_the_object_of_a_run_is_not_lost(lumnis: Lumnis, key: str, serve: Serve) -> None:
    """Following the run prints it as asking with a schema does; a conversation shows it where there is no text."""
    tide = {"port": "北港", "range_m": 4.1}
    local = serve([Script(structured_response=tide), Script(output_text="It is 4.1 m.", structured_response=tide)])
    service = ["--api-key", local.api_key, "--base-url", local.base_url]
    with Client(local.api_key, base_url=local.base_url, user_id="user-123") as there:
        service += ["--user-id", "user-123"]
        runs = [there.invoke("What is the range?", response_format={"type": "object"}) for _ in range(2)]
    for run in runs:
        followed = lumnis("runs", "follow", run.response_id, *service)
        assert (followed.status, json.loads(followed.out)) == (0, tide)
    assert (
        json.loads(lumnis("threads", "show", runs[0].thread_id or "", *service).out.rpartition("range?\n")[2]) == tide
    )
    assert lumnis("threads", "show", runs[1].thread_id or "", *service).out.endswith("range?\nIt is 4.1 m.\n")


def test_following_a_run_that_fails_is_status_1(lumnis: Lumnis, key: str, serve: Serve) -> None:
    """With the reason, and what it did before that."""
    broken = serve(Script([Step("Searching.")], error=("AGENT_ERROR", "The register is closed.")))
    service = ("--base-url", broken.base_url, "--api-key", broken.api_key)
    failed = lumnis("ask", "Which ports?", *service)
    assert (failed.status, failed.out) == (1, "")
    assert "The register is closed. (AGENT_ERROR)" in failed.err
    run = lumnis("runs", "list", "--status", "failed", *service).rows[0][0]
    done = lumnis("runs", "follow", run, *service)
    assert (done.status, done.out) == (1, "")
    assert "Searching." in done.err
    assert "The register is closed." in done.err
    assert "error\t" in lumnis("runs", "show", run, *service).out


def test_a_run_that_takes_too_long_can_be_picked_up(lumnis: Lumnis, key: str, serve: Serve) -> None:
    """The message names the command for that; then it is cancelled."""
    local = serve(EndlessEngine(), poll="on-change")
    service = ("--base-url", local.base_url, "--api-key", local.api_key)
    late = lumnis("ask", "Which ports?", "--timeout", "0.2", *service)
    run = lumnis("runs", "list", *service).rows[0][0]
    assert late.status == 1
    assert late.err.endswith(f"Run {run} is not over yet. It continues on the service: lumnis runs follow {run}\n")
    cancelled = lumnis("runs", "cancel", run, run, "nowhere", *service)
    assert (cancelled.status, cancelled.rows) == (1, [[run, "cancelled"]] * 2)
    assert "nowhere" in cancelled.err


def test_a_run_gets_feedback_while_it_works(lumnis: Lumnis, key: str, user: str, serve: Serve) -> None:
    """It reads feedback before it answers."""
    engine = FeedbackEngine()
    local = serve(engine, poll="on-change")
    service = ("--base-url", local.base_url, "--api-key", local.api_key)
    try:
        with Client(local.api_key, base_url=local.base_url, user_id=user) as client:
            run = client.responses.create("Which ports?").response_id
        assert lumnis("runs", "feedback", run, "Only Norway.", "--type", "correction", *service).status == 0
        assert json.loads(lumnis("runs", "feedback", run, "Please.", "--json", *service).out)["feedback_id"]
    finally:
        engine.release()
    assert lumnis("runs", "follow", run, "--quiet", *service).out == "Only Norway. | Please.\n"
    feedback = lumnis("runs", "feedback", run, *service).rows
    assert [(row[1], row[2], row[4]) for row in feedback] == [
        ("correction", "read", "Only Norway."),
        ("suggestion", "read", "Please."),
    ]
    assert json.loads(lumnis("runs", "feedback", run, "--json", *service).out)["consumed_count"] == 2
    assert "409" in lumnis("runs", "feedback", run, "Too late.", *service).err


def test_the_beginning_of_an_id_is_enough(lumnis: Lumnis, key: str, client: Client) -> None:
    """In every command that takes one."""
    run = client.invoke(QUESTION)
    short, thread = run.response_id[:8], str(run.thread_id)[:8]
    file = client.files.upload(b"Tides.", file_name="tides.md").file_id
    client.files.wait_until_processed(file, poll_interval=0.01)
    assert f"run\t{run.response_id}" in lumnis("runs", "show", short).out
    assert lumnis("runs", "follow", short, "--quiet").out == f"{run.output_text}\n"
    assert lumnis("runs", "cancel", short).rows == [[short, "succeeded"]]
    assert lumnis("runs", "feedback", short).status == 0
    assert lumnis("runs", "list", "--thread", thread).rows[0][0] == run.response_id
    assert lumnis("ask", "And now?", "--thread", thread, "--quiet").status == 0
    assert "Continuing" in lumnis("chat", "--thread", thread).err
    assert lumnis("threads", "rename", thread, "Tides").rows[0][0] == run.thread_id
    assert lumnis("threads", "show", thread).rows[0] == ["thread", run.thread_id]
    assert lumnis("files", "show", file[:8], "--text").out == "Tides.\n"
    assert lumnis("files", "download", file[:8], "-o", "-").out == "Tides."
    assert lumnis("files", "delete", file[:8]).rows == [[file[:8], "deleted"]]
    assert lumnis("threads", "delete", thread).rows == [[thread, "deleted"]]


@pytest.mark.parametrize(
    ("word", "ids", "found"),
    [
        ("abcd", ["abcd1", "abce2"], "abcd1"),
        ("abcd", ["abce2"], "abcd"),
        ("abcd", ["abcd", "abcd1"], "abcd"),
        ("abc", ["abcd1"], "abc"),
        ("0" * 36, ["0" * 36 + "1"], "0" * 36),
        ("abc", ["abc1", "abc2"], "abc"),
        ("abcd", [f"x{number}" for number in range(SEARCHED)] + ["abcd1"], "abcd"),
    ],
)
def test_which_id_a_beginning_stands_for(word: str, ids: list[str], found: str) -> None:
    """The only one of the newest; a word that is too short, or an id of its own, stays as it is."""
    assert whole_id(word, "runs", lambda: ids) == found


def test_a_beginning_of_several_ids_is_refused() -> None:
    """It names them."""
    ids = [f"abcd{number}" for number in range(5)]
    with pytest.raises(UsageError, match="abcd is the beginning of several runs: abcd0, abcd1, abcd2 and 2 more"):
        whole_id("abcd", "runs", lambda: ids)


def test_old_runs_are_cancelled(lumnis: Lumnis, key: str, user: str, serve: Serve) -> None:
    """Those under way that are older, of the user or of the tenant; a dry run changes nothing."""
    local = serve(EndlessEngine(), poll="on-change")
    service = ["--base-url", local.base_url, "--api-key", local.api_key]
    with Client(local.api_key, base_url=local.base_url, scope="tenant") as client:
        mine, other = (client.responses.create("Hi", scope="user", user_id=one).response_id for one in (user, "bob"))
        assert lumnis("runs", "cancel", "--older-than", "1h", *service).rows == []
        dry = lumnis("runs", "cancel", "--older-than", "0s", "--dry-run", *service)
        assert [(row[0], row[3]) for row in dry.rows] == [(mine, "Hi")]
        assert client.get_response(mine).is_terminal is False
        done = lumnis("runs", "cancel", "--older-than", "0s", *service)
        assert (done.status, [row[:2] for row in done.rows]) == (0, [[mine, "cancelled"]])
        assert client.get_response(other).is_terminal is False
        rest = lumnis("runs", "cancel", "--older-than", "0s", "--scope", "tenant", *service)
        assert [row[:2] for row in rest.rows] == [[other, "cancelled"]]
        assert lumnis("runs", "cancel", "--older-than", "0s", "--scope", "tenant", *service).rows == []


@pytest.mark.parametrize("arguments", [[], ["RUN", "--older-than", "1h"], ["RUN", "--dry-run"]], ids=" ".join)
def test_which_runs_to_cancel_must_be_clear(lumnis: Lumnis, key: str, arguments: list[str]) -> None:
    """Named ones or old ones."""
    done = lumnis("runs", "cancel", *arguments)
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
