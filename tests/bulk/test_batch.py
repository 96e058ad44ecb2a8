"""LumnisBatch over real sockets against the embedded service: one run for each row, whatever happens."""

from __future__ import annotations

import asyncio
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas
import pytest
from pydantic import BaseModel

from lumnisai_core import Client
from lumnisai_core.exceptions import ConfigurationError, ValidationError
from lumnisai_core.local import LocalLumnis, RunReport, RunRequest, RunResult
from lumnisai_integrations.bulk import LumnisBatch, read_job
from lumnisai_integrations.bulk.worker import close_idle
from tests.servers import Canned, canned_server

ROWS: list[dict[str, Any]] = [{"id": number, "text": f"question {number}"} for number in range(6)]


class Tide(BaseModel):
    port: str


class Engine:
    """Answers with the question in capitals; "bad" fails, and while the gate is closed, runs wait."""

    def __init__(self) -> None:
        self.requests: list[RunRequest] = []
        self.arrived = threading.Semaphore(0)
        self.gate = threading.Event()
        self.most = 0
        self._now = 0

    def texts(self) -> list[str]:
        return [request.input_messages[-1].content for request in self.requests]

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        text = request.input_messages[-1].content
        self.requests.append(request)
        self.arrived.release()
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            if not self.gate.is_set() and text != "quick":
                await asyncio.to_thread(self.gate.wait)
            if text == "bad":
                raise RuntimeError("No.")
            structured = {"port": text} if request.response_format else None
            return RunResult(output_text=text.upper(), structured_response=structured)
        finally:
            self._now -= 1


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.fixture(scope="module")
def service(engine: Engine) -> Iterator[LocalLumnis]:
    with LocalLumnis(engine=engine) as local:
        yield local


@pytest.fixture(autouse=True)
def _environment(service: LocalLumnis, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LUMNISAI_API_KEY", service.api_key)
    monkeypatch.setenv("LUMNISAI_BASE_URL", service.base_url)
    engine.requests.clear()
    engine.arrived = threading.Semaphore(0)
    engine.most = 0
    engine.gate.set()
    yield
    engine.gate.set()


@pytest.fixture
def job(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


def batch_of(name: str, **options: Any) -> LumnisBatch:
    return LumnisBatch(**{"job": name, "key": "id", "prompt": "text", "user_id": name, **options})


def answers(rows: list[dict[str, Any]]) -> list[Any]:
    return [row["answer"] for row in rows]


def test_rows_get_answers_and_errors_as_columns(job: str, engine: Engine) -> None:
    """A failed run, a refused request, a missing column and a failing function are values, never exceptions."""
    rows: list[dict[str, Any]] = [
        {"id": 1, "text": "a"},
        {"id": 2, "text": "bad"},
        {"id": 3, "text": None},
        {"id": None, "text": "a"},
        {"id": 5},
    ]
    with batch_of(job) as batch:
        first, failed, invalid, unnamed, missing = batch(rows)
    assert (first["answer"], first["status"], first["error"]) == ("A", "succeeded", None)
    assert (failed["answer"], failed["status"], failed["response_id"] is None) == (None, "failed", False)
    assert "failed" in failed["error"]
    assert "messages must be a string" in invalid["error"]
    assert "the key of a row must be a non-empty string, an integer or a UUID, not None" in unnamed["error"]
    assert "the row has no column 'text'" in missing["error"]
    assert {invalid["status"], unnamed["status"], missing["response_id"]} == {None}
    assert len(engine.requests) == 2


def test_columns_and_functions_choose_what_a_row_asks(job: str, engine: Engine, service: LocalLumnis) -> None:
    """Prompt, user, thread and parameters; a schema gives an object."""
    with Client(service.api_key, base_url=service.base_url, user_id="ada") as client:
        thread = client.threads.create(title="Tides").thread_id
    batch = batch_of(
        job,
        prompt=lambda row: [{"role": "system", "content": "Be brief."}, {"role": "user", "content": row["text"]}],
        user_id=None,
        user="who",
        thread=lambda row: row["thread"],
        parameters=lambda row: {"options": {"n": row["id"]}},
        schema=Tide,
    )
    rows = [
        {"id": 1, "text": "a", "who": "ada", "thread": thread},
        {"id": 2, "text": "b", "who": "bob", "thread": None},
    ]
    with batch:
        found = batch({name: [row[name] for row in rows] for name in rows[0]})
    assert found["structured"] == [{"port": "a"}, {"port": "b"}]
    by_text = {request.input_messages[-1].content: request for request in engine.requests}
    assert by_text["a"].thread_id == thread
    assert [message.role for message in by_text["b"].input_messages] == ["system", "user"]
    assert by_text["b"].options == {"n": 2}
    with Client(service.api_key, base_url=service.base_url) as client:
        assert client.list_responses(user_id="bob").total == 1


def test_a_second_start_makes_no_second_run(job: str, engine: Engine) -> None:
    """Also in another form of block, in another order, and after the batch was pickled."""
    with batch_of(job) as batch:
        first = batch(ROWS)
    again = pickle.loads(pickle.dumps(batch_of(job)))
    frame = again(pandas.DataFrame(ROWS[::-1]))
    again.close()
    assert list(frame["response_id"])[::-1] == [row["response_id"] for row in first]
    assert list(frame["answer"])[::-1] == answers(first)
    assert len(engine.requests) == len(ROWS)


def test_a_changed_request_has_a_run_of_its_own(job: str, engine: Engine) -> None:
    """The same key with another prompt or other parameters never gets the answer of the earlier request."""
    with batch_of(job) as batch:
        batch(ROWS[:2])
        changed = batch([{"id": 0, "text": "another"}, ROWS[1]])
    assert answers(changed) == ["ANOTHER", "QUESTION 1"]
    with batch_of(job, parameters={"options": {"x": 1}}) as batch:
        batch(ROWS[:1])
    with batch_of(job, job=job + "-2") as batch:
        batch(ROWS[:1])
    texts = engine.texts()
    assert sorted(texts[:2]) == ["question 0", "question 1"]  # at once
    assert texts[2:] == ["another", "question 0", "question 0"]


def test_rows_with_one_key_and_one_request_share_their_run(job: str, engine: Engine) -> None:
    """A duplicated row costs nothing."""
    with batch_of(job) as batch:
        assert answers(batch([ROWS[0], ROWS[0], {**ROWS[0], "other": 1}])) == ["QUESTION 0"] * 3
    assert len(engine.requests) == 1


def test_a_failed_row_has_as_many_runs_as_attempts_allow(job: str, engine: Engine) -> None:
    """A later start keeps the error, or tries again if it allows more attempts; what succeeded stays."""
    rows = [{"id": 1, "text": "bad"}, {"id": 2, "text": "a"}]
    for attempts, runs in ((1, 2), (1, 2), (3, 4), (3, 4)):
        with batch_of(job, attempts=attempts) as batch:
            failed, good = batch(rows)
        assert (failed["status"], good["answer"]) == ("failed", "A")
        assert len(engine.requests) == runs


def test_leaving_a_stream_stops_its_runs_and_the_next_start_makes_them_again(job: str, engine: Engine) -> None:
    """Only those that were stopped, and without a ledger."""
    engine.gate.clear()
    blocks: list[list[dict[str, Any]]] = [[{"id": "q", "text": "quick"}], ROWS[:3]]
    with batch_of(job, max_in_flight=3) as batch:
        stream = batch.stream(blocks)
        assert answers(next(stream)) == ["QUICK"]
        for _ in range(4):
            engine.arrived.acquire()
        stream.close()
        engine.gate.set()
        stopped = [row["status"] for row in _rows_of_service(job)]
        assert sorted(stopped) == ["cancelled"] * 3 + ["succeeded"]
        found = [row for block in batch.stream(blocks) for row in block]
    assert answers(found) == ["QUICK", "QUESTION 0", "QUESTION 1", "QUESTION 2"]
    assert len(engine.requests) == 4 + 3


@pytest.mark.parametrize(
    ("options", "has_key", "status"),
    [
        ({}, True, "cancelled"),
        ({}, False, "in_progress"),
        ({"parameters": {"cancel_on_interrupt": False}}, True, "in_progress"),
    ],
)
def test_runs_that_a_killed_process_left_are_stopped(
    options: dict[str, Any], has_key: bool, status: str, job: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless the job lets its runs go on, or the key is not known here; one that has ended is left out."""
    with Client(user_id=job) as client:
        ended = client.invoke("Hi")
        engine.gate.clear()
        run = client.responses.create("Hi")
        for _ in range(2):
            engine.arrived.acquire()
        if not has_key:
            monkeypatch.delenv("LUMNISAI_API_KEY")
        asyncio.run(batch_of(job, **options).stop([ended.response_id, "no-such-run", run.response_id]))
        assert client.responses.get(run.response_id).status == status


def _rows_of_service(job: str) -> list[dict[str, Any]]:
    with Client(user_id=job) as client:
        return [run.table_row() for run in client.responses.iter()]


_CHILD = """
import sys
from lumnisai_integrations.bulk import LumnisBatch
rows = [{"id": number, "text": text} for number, text in enumerate(sys.argv[2:])]
batch = LumnisBatch(job=sys.argv[1], key="id", prompt="text", user_id=sys.argv[1], max_in_flight=4)
batch(rows)
"""


@pytest.mark.processes
@pytest.mark.parametrize(("sent", "extra"), [(signal.SIGKILL, 0), (signal.SIGINT, 3)])
def test_a_process_that_ended_is_picked_up(sent: int, extra: int, job: str, engine: Engine) -> None:
    """Killed: its runs go on and are found, none is made twice. Interrupted: the runs it stopped are made again."""
    job = f"job-{int(sent)}"
    texts = ["quick", *(f"question {number}" for number in range(5))]
    engine.gate.clear()
    child = subprocess.Popen([sys.executable, "-c", _CHILD, job, *texts], stderr=subprocess.DEVNULL)
    for _ in range(5):  # the quick one makes room for a fifth
        engine.arrived.acquire()
    made = len(engine.requests)
    child.send_signal(sent)
    child.wait()
    engine.gate.set()
    rows = [{"id": number, "text": text} for number, text in enumerate(texts)]
    with batch_of(job, user_id=job) as batch:
        found = batch(rows)
    assert answers(found) == [text.upper() for text in texts]
    stopped = [row for row in _rows_of_service(job) if row["status"] == "cancelled"]
    assert len(engine.requests) == len(rows) + len(stopped)
    assert (len(stopped) > 0) == (extra > 0)
    assert made == 5


@pytest.mark.parametrize("store", ["folder", "memory://ledgers"])
def test_a_ledger_saves_all_calls_and_is_read_as_a_table(store: str, job: str, engine: Engine, tmp_path: Path) -> None:
    """Answers, errors and objects come from it when the service is gone; it may be any store of fsspec."""
    ledger = store if "://" in store else tmp_path / store
    rows = [*ROWS[:2], {"id": "x", "text": "bad"}]
    options: dict[str, Any] = {"schema": Tide, "ledger": ledger}
    with batch_of(job, **options) as batch:
        first = batch(rows)
        assert batch(rows) == first
    with batch_of(job, base_url="http://127.0.0.1:9", max_retries=0, **options) as batch:
        assert batch(rows) == first
    assert len(engine.requests) == 3
    table = sorted(read_job(ledger, job), key=lambda row: str(row["key"]))  # they are kept as they end
    assert [row.pop("key") for row in table] == ["0", "1", "x"]
    assert table == [{name: row[name] for name in table[0]} for row in first]
    with pytest.raises(ValidationError, match="has no records of a job 'other'"):
        read_job(ledger, "other")


def test_a_ledger_knows_runs_that_have_not_ended(job: str, engine: Engine, tmp_path: Path) -> None:
    """Their ids are written before they are waited for; after the lifetime of keys, they are found by them."""
    engine.gate.clear()
    blocks: list[list[dict[str, Any]]] = [[{"id": "q", "text": "quick"}], ROWS[:2]]
    options: dict[str, Any] = {"ledger": tmp_path, "max_in_flight": 2, "parameters": {"cancel_on_interrupt": False}}
    with batch_of(job, **options) as batch:
        stream = batch.stream(blocks)
        next(stream)
        for _ in range(3):
            engine.arrived.acquire()
        while len([*tmp_path.rglob("*.jsonl")]) < 2 or sum(1 for _ in read_job(tmp_path, job)) < 3:
            time.sleep(0.01)
        stream.close()
        assert sorted(str(row["status"]) for row in read_job(tmp_path, job)) == ["None", "None", "succeeded"]
        engine.gate.set()
        assert [answers(block) for block in batch.stream(blocks)] == [["QUICK"], ["QUESTION 0", "QUESTION 1"]]
    assert len(engine.requests) == 3
    assert {row["status"] for row in read_job(tmp_path, job)} == {"succeeded"}


def test_a_ledger_that_cannot_be_written_ends_nothing(
    job: str, engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It only saves calls."""
    (tmp_path / "file").write_text("x")
    with batch_of(job, ledger=tmp_path / "file") as batch:
        assert answers(batch(ROWS[:2])) == ["QUESTION 0", "QUESTION 1"]
    assert "The ledger cannot be written" in caplog.text


def test_the_limit_holds_for_all_blocks_together(job: str, engine: Engine) -> None:
    """Calls from several threads share the room, and so their ends leave none unused."""
    batch = batch_of(job, max_in_flight=2)
    threads = [
        threading.Thread(target=batch, args=([{"id": number, "text": "a"}, {"id": -number, "text": "b"}],))
        for number in range(1, 5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    batch.close()
    assert len(engine.requests) == 8
    assert engine.most <= 2


def test_rows_of_the_next_block_start_before_the_first_has_ended(job: str, engine: Engine) -> None:
    """A slow row does not leave the rest of the room empty."""
    engine.gate.clear()
    blocks: list[list[dict[str, Any]]] = [
        [{"id": 1, "text": "slow"}, {"id": 2, "text": "quick"}],
        [{"id": 3, "text": "quick"}, {"id": 4, "text": "quick"}],
    ]
    with batch_of(job, max_in_flight=2) as batch:
        found: list[list[Any]] = []
        reader = threading.Thread(target=lambda: found.extend(map(answers, batch.stream(blocks))))
        reader.start()
        for _ in range(4):
            engine.arrived.acquire()
        assert found == []
        engine.gate.set()
        reader.join()
    assert found == [["SLOW", "QUICK"], ["QUICK", "QUICK"]]


def test_rows_begin_in_the_order_of_their_blocks(job: str, engine: Engine) -> None:
    """Blocks under way together end one after the other, so that an engine replaces one while the next goes on."""
    blocks = [[{"id": f"{name}{row}", "text": f"{name}{row}"} for row in range(3)] for name in "abc"]
    with batch_of(job, max_in_flight=1) as batch:
        found = [answer for block in batch.stream(blocks) for answer in answers(block)]
    assert [text.upper() for text in engine.texts()] == found
    assert found == ["A0", "A1", "A2", "B0", "B1", "B2", "C0", "C1", "C2"]


def test_the_key_is_named_and_never_pickled(job: str, service: LocalLumnis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another machine reads its own variable; without it, the error names it."""
    with batch_of(job) as batch:
        batch(ROWS[:1])
        assert service.api_key.encode() not in pickle.dumps(batch)
        assert service.api_key not in repr(batch)
    monkeypatch.delenv("LUMNISAI_API_KEY")
    with pytest.raises(ConfigurationError, match="LUMNISAI_API_KEY is not set in this process"):
        batch(ROWS[:1])
    monkeypatch.setenv("MY_KEY", service.api_key)
    with batch_of(job, api_key_env="MY_KEY") as batch:
        assert answers(batch(ROWS[:1])) == ["QUESTION 0"]


def test_one_worker_serves_all_copies_and_ends_with_them(job: str) -> None:
    """One event loop for each batch and process, however often it is unpickled; none when it is closed."""
    batch = batch_of(job)
    copies = [pickle.loads(pickle.dumps(batch)) for _ in range(3)]
    for copy in copies:
        copy(ROWS[:1])
    assert [thread.name for thread in threading.enumerate()].count("lumnis-batch") == 1
    copies[0].close()
    batch.close()
    assert "lumnis-batch" not in [thread.name for thread in threading.enumerate()]
    assert answers(batch(ROWS[:1])) == ["QUESTION 0"]
    batch.close()


def test_all_rows_pause_together_after_429(job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first answer stops all others until the time that the service named is over."""
    created = {"response_id": "r-1", "thread_id": "t-1", "status": "queued"}
    busy = Canned(429, headers={"Retry-After": "0.2"})
    done = Canned(200, {**created, "status": "succeeded", "output_text": "done"})
    with canned_server([busy, Canned(201, created), done]) as server:
        with batch_of(job, base_url=server.base_url, max_in_flight=1) as batch:
            assert answers(batch(ROWS[:3])) == ["done"] * 3


def test_an_empty_block_needs_neither_service_nor_key(job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines pass one to learn the columns."""
    monkeypatch.delenv("LUMNISAI_API_KEY")
    empty = batch_of(job)(pandas.DataFrame({"id": [], "text": []}))
    assert list(empty) == ["id", "text", "answer", "structured", "response_id", "status", "error"]


def test_columns_that_are_there_already_are_not_replaced(job: str) -> None:
    """A prefix gives the new ones other names."""
    rows = [{"id": 1, "text": "a", "answer": "mine"}]
    with pytest.raises(ValidationError, match="has a column 'answer' already"):
        batch_of(job)(rows)
    with batch_of(job, prefix="lumnis_") as batch:
        (row,) = batch(rows)
    assert (row["answer"], row["lumnis_answer"]) == ("mine", "A")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"job": " "}, "job must be a non-empty string"),
    ({"key": ""}, "key must be the name of a column or a function"),
    ({"prompt": 5}, "prompt must be the name of a column"),
    ({"user": "who"}, "pass one of them"),
    ({"user_id": None}, "user scope needs a user"),
    ({"max_in_flight": 0}, "max_in_flight must be a whole number"),
    ({"attempts": True}, "attempts must be a whole number"),
    ({"api_key_env": None}, "api_key_env must be a non-empty string"),
    ({"parameters": {"mesages": 1}}, "unknown names mesages"),
    ({"parameters": {"idempotency_key": "k"}}, "idempotency_key comes from job, key and the request"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_wrong_arguments_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    """On the machine where the job is written, not on the workers."""
    with pytest.raises(ValidationError, match=message):
        batch_of("job", **options)


def test_workers_that_are_not_used_are_closed(job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine never says that it is done."""
    batch = batch_of(job)
    batch(ROWS[:1])
    monkeypatch.setattr("lumnisai_integrations.bulk.worker._IDLE", 0.0)
    close_idle()
    assert "lumnis-batch" not in [thread.name for thread in threading.enumerate()]
