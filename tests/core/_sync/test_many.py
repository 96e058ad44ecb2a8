# Generated from tests/core/_async/test_many.py by `make sync`; edit that file.
"""Many runs at once, over real sockets against the embedded service."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from lumnisai_core import Client, CoolDown, JobProgress, RequestInfo, RunInput
from lumnisai_core.exceptions import RunCancelledError, RunFailedError, ValidationError
from lumnisai_core.local import Script
from tests.conftest import Serve
from tests.servers import Canned, CountingEngine, RecordingEngine, RequestEngine, ScriptByText, canned_server

CREATED = {"response_id": "r-1", "thread_id": "t-1", "status": "queued"}


def test_every_input_has_an_outcome_with_its_index(serve: Serve) -> None:
    """Texts, messages and inputs with parameters; failures and refused inputs are values."""
    engine = ScriptByText({"bad": Script(error=("E", "No."))}, Script(output_text="good"))
    local = serve(engine)
    inputs: list[Any] = ["one", {"role": "user", "content": "bad"}, RunInput("three", {"user_id": "other"}), [], "five"]
    with Client(local.api_key, base_url=local.base_url, user_id="u") as client:
        outcomes = {outcome.index: outcome for outcome in client.responses.map(inputs, max_in_flight=2)}
        assert sorted(outcomes) == [0, 1, 2, 3, 4]
        for index in (0, 2, 4):
            assert outcomes[index].result().output_text == "good"
        assert isinstance(outcomes[1].error, RunFailedError)
        assert isinstance(outcomes[3].error, ValidationError)
        with pytest.raises(RunFailedError):
            outcomes[1].result()
        assert (client.list_responses(user_id="other")).total == 1


def test_max_in_flight_limits_the_unfinished_runs(serve: Serve) -> None:
    """Inputs are taken when there is room, so that they may be endless."""
    engine = CountingEngine()
    local = serve(engine)
    taken = []
    inputs = (taken.append(number) or str(number) for number in range(20))  # type: ignore[func-returns-value]
    with Client(local.api_key, base_url=local.base_url, user_id="u") as client:
        outcomes = [outcome for outcome in client.responses.map(inputs, max_in_flight=4)]
    assert len(outcomes) == len(taken) == 20
    assert engine.most <= 4


def test_an_interrupted_batch_continues_without_paying_twice(serve: Serve, tmp_path: Path) -> None:
    """With a ledger, finished runs are fetched, cancelled ones are created again, and no run is created twice."""
    engine = RequestEngine()
    local = serve(engine)
    ledger = tmp_path / "job.jsonl"
    inputs = [f"question {number}" for number in range(8)]
    with Client(local.api_key, base_url=local.base_url, user_id="u") as client:
        with closing(client.responses.map(inputs, max_in_flight=1, ledger=ledger)) as outcomes:
            for outcome in outcomes:
                if outcome.index == 2:
                    break
        before = len(engine.requests)
        assert 3 <= before < 8
        texts = {
            outcome.index: outcome.result().output_text
            for outcome in client.responses.map(inputs, max_in_flight=3, ledger=ledger)
        }
        assert texts == dict(enumerate(inputs))
        questions = [request.input_messages[0].content for request in engine.requests]
        assert questions.count("question 0") == questions.count("question 1") == questions.count("question 2") == 1
        made = len(engine.requests)
        again = [outcome for outcome in client.responses.map(inputs, ledger=ledger)]
        assert (len(again), len(engine.requests)) == (8, made)
        changed = ["another question", *inputs[1:]]
        first = [outcome for outcome in client.responses.map(changed, ledger=ledger) if outcome.index == 0]
        assert "differs from the one" in str(first[0].error)


def test_a_ledger_that_cannot_be_written_cancels_nothing(serve: Serve, tmp_path: Path) -> None:
    """The job ends with an error that names the file; started again, it finds all runs and creates none twice."""
    engine = RequestEngine()
    local = serve(engine)
    ledger = tmp_path / "job.jsonl"
    inputs = [f"question {number}" for number in range(8)]

    def lose_the_ledger(request: RequestInfo) -> None:
        if request.method == "POST" and ledger.is_file():
            ledger.rename(tmp_path / "kept")
            ledger.mkdir()

    with Client(local.api_key, base_url=local.base_url, user_id="u", on_request=lose_the_ledger) as client:
        with pytest.raises(ValidationError, match=r"The ledger .*job\.jsonl' cannot be read or written"):
            _ = [outcome for outcome in client.responses.map(inputs, max_in_flight=3, ledger=ledger)]
    ledger.rmdir()
    (tmp_path / "kept").rename(ledger)
    with Client(local.api_key, base_url=local.base_url, user_id="u") as client:
        made = {run.response_id for run in client.responses.iter()}
        assert 1 <= len(made) < 8
        found = {outcome.result().response_id for outcome in client.responses.map(inputs, ledger=ledger)}
        assert made < found
        assert len(found) == (client.list_responses()).total == 8


def test_leaving_early_stops_unfinished_runs(serve: Serve) -> None:
    """No run continues when nobody waits for it."""
    engine = ScriptByText({"quick": Script(output_text="done")}, Script(after=60.0))
    local = serve(engine)
    with Client(local.api_key, base_url=local.base_url, user_id="u") as client:
        with closing(client.responses.map(["slow", "slow", "quick"], max_in_flight=3)) as outcomes:
            outcome = next(outcomes)
        assert outcome.index == 2
        listed = client.list_responses()
        ended = [client.get_response(run.response_id, wait=10) for run in listed.responses]
    assert sorted(run.status for run in ended) in (
        ["cancelled", "cancelled", "succeeded"],
        ["cancelled", "succeeded"],
        ["succeeded"],
    )


def test_all_runs_cool_down_together() -> None:
    """After one 429 no run sends a request before the time that the service named."""
    busy = Canned(429, headers={"Retry-After": "0.2"})
    done = Canned(200, {**CREATED, "status": "succeeded", "output_text": "done"})
    with canned_server([busy, Canned(201, CREATED), done]) as server:
        with Client("lmn_1", base_url=server.base_url, user_id="u") as client:
            outcomes = [outcome for outcome in client.responses.map(["a", "b", "c"], max_in_flight=1)]
    assert [outcome.result().output_text for outcome in outcomes] == ["done"] * 3


def test_outcomes_are_a_table_in_the_order_of_the_inputs(serve: Serve) -> None:
    """With errors as texts; the progress counts them."""
    engine = ScriptByText({"bad": Script(error=("E", "No."))}, Script(output_text="good"))
    local = serve(engine)
    seen: list[JobProgress] = []
    with Client(local.api_key, base_url=local.base_url, user_id="u") as client:
        outcomes = client.responses.map(["a", "bad", "b"], progress=seen.append)
        table = outcomes.to_pandas()
    assert list(table.index) == [0, 1, 2]
    assert list(table["status"]) == ["succeeded", "failed", "succeeded"]
    assert list(table["answer"]) == ["good", None, "good"]
    assert "No. (E)" in table["error"][1]
    assert [(progress.done, progress.total) for progress in seen] == [(1, 3), (2, 3), (3, 3)]
    assert outcomes.progress == seen[-1]
    assert outcomes.progress.errors == 1


def test_a_progress_line_is_shown_and_ended(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    """Of endless inputs, without the time left."""
    local = serve(ScriptByText({}, Script(output_text="good")))
    with Client(local.api_key, base_url=local.base_url, user_id="u") as client:
        found = [outcome for outcome in client.responses.map(iter(["a", "b"]), progress=True)]
    assert len(found) == 2
    assert capsys.readouterr().out.splitlines()[-1].startswith("2 rows, ")


def test_an_input_of_a_job_has_one_run(serve: Serve) -> None:
    """Also without a ledger and with other clients; a changed request has a run of its own."""
    engine = RequestEngine()
    local = serve(engine)
    found = []
    for text in ("a", "a", "b"):
        with Client(local.api_key, base_url=local.base_url, user_id="u") as client:
            run = client.responses.job("tides").run("row-1", text)
            found.append((run.response_id, run.output_text))
    assert found[0] == found[1]
    assert [text for _, text in found] == ["a", "a", "b"]
    assert len(engine.requests) == 2


def test_a_job_knows_its_runs_under_way(serve: Serve) -> None:
    """From the first answer of the service to the end."""
    local = serve(ScriptByText({}, Script(output_text="good")))
    seen: list[list[str]] = []
    with Client(local.api_key, base_url=local.base_url, user_id="u") as client:
        job = client.responses.job("tides", on_progress=lambda _: seen.append(job.under_way))
        run = job.run("row-1", "a")
        assert seen[0] == [run.response_id]
        assert job.under_way == []


def test_a_failed_input_of_a_job_has_as_many_runs_as_it_allows(serve: Serve) -> None:
    """A later start with more attempts goes on where the first one ended."""
    engine = RecordingEngine(Script(error=("E", "No.")))
    local = serve(engine)
    with Client(local.api_key, base_url=local.base_url, user_id="u") as client:
        for attempts, runs in ((1, 1), (1, 1), (3, 3), (3, 3)):
            with pytest.raises(RunFailedError):
                client.responses.job("tides", attempts=attempts).run("row-1", "a")
            assert len(engine.requests) == runs
        with pytest.raises(ValidationError, match="attempts"):
            client.responses.job("tides", attempts=0)
        with pytest.raises(ValidationError, match="job"):
            client.responses.job(" ")


@pytest.mark.parametrize("ahead", [-3600, 0, 3600])
@pytest.mark.parametrize(("age", "keys"), [(60, 2), (0, 1)])
def test_a_cancelled_run_is_made_again_if_it_was_there_before(ahead: int, age: int, keys: int) -> None:
    """By the service's clock, however wrong it is: a run that somebody cancels now stays cancelled."""
    sent: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        now = datetime.now(UTC) + timedelta(seconds=ahead)
        if request.method == "POST" and request.headers["idempotency-key"] not in sent:
            sent.append(request.headers["idempotency-key"])
        is_first = len(sent) == 1
        created = now - timedelta(seconds=age if is_first else 0)
        run = {"response_id": f"r-{len(sent)}", "thread_id": "t", "created_at": created.isoformat()}
        run["status"] = "queued" if request.method == "POST" else "cancelled" if is_first else "succeeded"
        return httpx.Response(200, json=run, headers={"date": format_datetime(now, usegmt=True)})

    with (
        httpx.Client(transport=httpx.MockTransport(answer)) as http_client,
        Client("key", base_url="https://lumnis.test", user_id="u", http_client=http_client) as client,
    ):
        job = client.responses.job(str(uuid4()))
        if keys == 2:
            assert (job.run("row-1", "a")).response_id == "r-2"
        else:
            with pytest.raises(RunCancelledError):
                job.run("row-1", "a")
    assert len(sent) == keys


class SeenCoolDown(CoolDown):
    """Keeps how long the pauses were."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def begin(self, now: float, seconds: float, *, spread: float = 0.0) -> None:
        self.seconds.append(seconds)
        super().begin(now, seconds, spread=spread)


def test_clients_share_a_pause() -> None:
    """A 429 begins the pause that the client was given."""
    shared = SeenCoolDown()
    busy = Canned(429, headers={"Retry-After": "0.2"})
    done = Canned(200, {**CREATED, "status": "succeeded", "output_text": "done"})
    with canned_server([busy, done]) as server:
        with Client("lmn_1", base_url=server.base_url, cool_down=shared) as client:
            client.get_response("r-1")
        assert shared.seconds == [0.2]


def test_invalid_arguments_are_refused_at_once(client: Client) -> None:
    """Before anything is sent."""
    for wrong in (0, -1, 1.5, True, "3"):
        with pytest.raises(ValidationError, match="max_in_flight"):
            client.responses.map(["a"], max_in_flight=wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="mesages"):
        next(client.responses.map(["a"], mesages="x"))  # type: ignore[call-arg]
    assert [outcome for outcome in client.responses.map([])] == []
