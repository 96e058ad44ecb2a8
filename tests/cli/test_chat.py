"""`lumnis chat` line by line from a pipe."""

from __future__ import annotations

from lumnisai_core import Client
from tests.cli.conftest import Lumnis
from tests.conftest import Serve
from tests.servers import HistoryEngine

TIDES = "Neap tides are small. Spring tides follow the full moon."


def test_each_line_is_answered_in_one_conversation(lumnis: Lumnis, key: str, serve: Serve) -> None:
    """Only answers are on standard output; blank lines do nothing; a missing line break at the end does not matter."""
    local = serve(HistoryEngine())
    service = ("--base-url", local.base_url, "--api-key", local.api_key)
    done = lumnis("chat", "--title", "Tides", *service, stdin="One 潮\n\n//two\n/quit\nnever")
    assert (done.status, done.out) == (0, "1: One 潮\n3: One 潮 | 1: One 潮 | /two\n")
    assert "> " not in done.err
    thread = lumnis("threads", "list", *service).rows[0]
    assert (thread[1], thread[3]) == ("2", "Tides")
    more = lumnis("chat", "--quiet", "--thread", thread[0], *service, stdin="Three")
    assert (more.out[:2], more.err) == ("5:", "")


def test_commands_work_in_a_pipe(lumnis: Lumnis, key: str, client: Client) -> None:
    """Lists are tab-separated; a new conversation gets the title that was set before."""
    old = client.create_thread(title="Old").thread_id
    lines = ["/title Mine", TIDES, "/title", "/threads", "/new", "/history", "/title", f"/thread {old}", "/help"]
    done = lumnis("chat", "--quiet", stdin="\n".join(lines))
    assert done.status == 0
    listed = [row for row in done.rows if len(row) == 4]
    assert {row[3] for row in listed} == {"Mine", "Old"}


def test_what_fails_does_not_end_a_chat(lumnis: Lumnis, key: str) -> None:
    """The other lines are answered, and the status is 1."""
    done = lumnis("chat", stdin=f"/nope\n/thread nowhere\n\udce9\n{TIDES}\n".encode(errors="surrogateescape"))
    assert done.status == 1
    assert "Neap tides are small." in done.out
    for words in ("there is no command /nope", "no thread nowhere", "not UTF-8"):
        assert words in done.err


def test_a_key_that_is_refused_ends_a_chat(lumnis: Lumnis, key: str) -> None:
    """No later line could be answered."""
    done = lumnis("chat", "--api-key", "lmn_wrong", stdin="One\nTwo\n")
    assert (done.status, done.out, done.err.count("401")) == (1, "", 1)


def test_a_conversation_that_is_not_there_is_named_before_the_first_line(lumnis: Lumnis, key: str) -> None:
    """Status 1."""
    assert "nowhere" in lumnis("chat", "--thread", "nowhere", stdin=TIDES).err


def test_without_a_key_an_embedded_service_answers(lumnis: Lumnis) -> None:
    """For the length of the chat."""
    done = lumnis("chat", stdin=f"{TIDES} What follows the full moon?\n")
    assert (done.status, done.out) == (0, "Spring tides follow the full moon.\n")
    assert "--thread" not in done.err
