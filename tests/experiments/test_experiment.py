"""Experiments over real sockets: each trial is made once, whatever happens in between."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from lumnisai_core import AsyncClient, Client, JobProgress
from lumnisai_core.exceptions import AuthenticationError, ConfigurationError, MissingUserId, ValidationError
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.experiments import (
    Contains,
    Exact,
    Experiment,
    Function,
    Judge,
    Results,
    Trial,
    Variant,
    grid,
    read_ledger,
)
from tests.experiments.conftest import Engine
from tests.loops import no_blocking

ROWS: list[dict[str, Any]] = [
    {"id": "high", "question": "When is high water?", "expected": "high"},
    {"id": "low", "question": "When is low water?", "expected": "low"},
    {"id": "harbour", "question": "Who opens the harbour?", "expected": "Tern"},
]
VARIANTS = {"plain": "{question}", "polite": "Please: {question}"}


def made(name: str = "tides", **options: Any) -> Experiment:
    known: dict[str, Any] = {"data": ROWS, "variants": VARIANTS, "scorers": [Contains()], **options}
    return Experiment(name, known.pop("data"), known.pop("variants"), known.pop("scorers"), **known)


def outputs(results: Results) -> dict[tuple[str, str, int], str | None]:
    return {trial.cell: trial.output for trial in results.trials}


def test_each_variant_answers_each_row_and_is_scored(engine: Engine, client: Client) -> None:
    """A trial has its row, its answer, its scores with reasons, its run and its tokens."""
    results = made(client=client).run(progress=False)
    assert [(trial.variant, trial.row) for trial in results.trials] == [
        (name, row["id"]) for name in VARIANTS for row in ROWS
    ]
    first, last = results.trials[0], results.trials[-1]
    assert (first.output, first.input, first.expected) == (
        "WHEN IS HIGH WATER?",
        {"question": "When is high water?"},
        "high",
    )
    assert (first.scores, first.reasons, first.error) == ({"contains": 1.0}, {}, None)
    assert (last.scores, last.reasons) == ({"contains": 0.0}, {"contains": "without 'Tern'"})
    assert (first.input_tokens, first.output_tokens) == (3, 2)
    assert first.seconds is not None
    assert client.responses.get(str(first.response_id)).output_text == first.output
    assert engine.texts == sorted([row["question"] for row in ROWS] + [f"Please: {row['question']}" for row in ROWS])


async def test_an_asyncio_experiment_blocks_no_event_loop(engine: Engine, service: LocalLumnis, tmp_path: Path) -> None:
    """With a ledger, functions that block, and the asyncio client."""

    def loud(row: Any) -> str:
        return str(row["question"]).upper()

    async with AsyncClient(service.api_key, base_url=service.base_url, user_id="u") as client:
        experiment = made(
            client=client, variants={**VARIANTS, "loud": loud}, ledger=tmp_path / "l", scorers=[Contains(), lambda _: 1]
        )
        with no_blocking():
            results = await experiment.arun(progress=False)
    assert len(results.trials) == 9
    assert all(trial.scores["<lambda>"] == 1.0 for trial in results.trials)


async def test_a_blocking_run_works_where_an_event_loop_runs(engine: Engine, client: Client) -> None:
    """As in a cell of a notebook, also with variants that are coroutine functions."""

    async def later(row: Any) -> str:
        await asyncio.sleep(0)
        return str(row["question"])

    results = made(client=client, variants={"plain": "{question}", "later": later}).run(progress=False)
    assert [trial.error for trial in results.trials] == [None] * 6


def test_an_unchanged_experiment_makes_no_calls(engine: Engine, client: Client, tmp_path: Path) -> None:
    """Neither runs nor scorers nor functions are called again, by another object with the same ledger."""
    called: list[str] = []

    def function(row: Any) -> str:
        called.append("variant")
        return "high"

    def score(trial: Trial) -> float:
        called.append("scorer")
        return 0.5

    def again(**options: Any) -> Results:
        scorers = [Contains(), score, Judge("Is it loud?")]
        experiment = made(
            client=client, variants={"f": function, **VARIANTS}, scorers=scorers, ledger=tmp_path / "l.jsonl"
        )
        return experiment.run(progress=False, **options)

    first = again()
    runs = len(engine.requests)
    assert (called.count("variant"), called.count("scorer"), runs) == (3, 9, 6 + 9)
    assert again() == first
    assert (len(called), len(engine.requests)) == (12, runs)
    assert again(rescore=["score"]) == first
    assert (called.count("scorer"), len(engine.requests)) == (18, runs)
    with pytest.raises(ValidationError, match="rescore names 'other'"):
        again(rescore="other")


def test_only_what_has_changed_is_made_again(engine: Engine, client: Client, tmp_path: Path) -> None:
    """A prompt, parameters, a row, an expected answer, the settings of a scorer; and the way back is free."""
    ledger = tmp_path / "l.jsonl"

    def runs(**options: Any) -> list[str]:
        engine.requests.clear()
        made(client=client, ledger=ledger, **options).run(progress=False)
        return engine.texts

    assert len(runs()) == 6
    assert runs(variants={**VARIANTS, "polite": "Kindly: {question}"}) == sorted(
        f"Kindly: {row['question']}" for row in ROWS
    )
    assert runs() == []
    assert len(runs(variants={"plain": Variant("{question}", options={"x": 1})})) == 3
    more = [{"id": "new", "question": "What is new?", "expected": "new"}, *ROWS[::-1]]
    assert runs(data=more) == ["Please: What is new?", "What is new?"]
    other = [{**row, "expected": "water"} for row in ROWS]
    assert runs(data=other, scorers=[Contains()]) == []
    results = made(client=client, ledger=ledger, data=other).results()
    assert [trial.scores["contains"] for trial in results.trials][:3] == [1.0, 1.0, 0.0]
    strict = made(client=client, ledger=ledger, scorers=[Contains(ignore_case=False)]).run(progress=False)
    assert {trial.scores["contains"] for trial in strict.trials} == {0.0}
    assert runs(repeats=2, variants={"plain": "{question}"}) == sorted(row["question"] for row in ROWS)


def test_variants_with_the_same_prompt_have_runs_of_their_own(engine: Engine, client: Client) -> None:
    """So that an experiment can show how much is chance; repeats likewise."""
    results = made(client=client, variants={"a": "{question}", "b": "{question}"}, repeats=2).run(progress=False)
    assert len({trial.response_id for trial in results.trials}) == 12


def test_failures_are_trials_with_their_reason(engine: Engine, client: Client, tmp_path: Path) -> None:
    """A run that failed stays so until it is asked for again; what else failed is made again by the next start."""
    broken = [True]

    def function(row: Any) -> str:
        if broken[0]:
            raise KeyError("tide")
        return "fine"

    def nothing(row: Any) -> None: ...

    def again(**options: Any) -> dict[str, Trial]:
        variants = {"bad": "bad {question}", "function": function, "nothing": nothing}
        experiment = made(client=client, variants=variants, data=ROWS[:1], ledger=tmp_path / "l.jsonl")
        return {trial.variant: trial for trial in experiment.run(progress=False, **options).trials}

    found = again()
    assert "failed" in str(found["bad"].error)
    assert found["bad"].response_id is not None
    assert found["function"].error == "KeyError: 'tide'"
    assert "returned None" in str(found["nothing"].error)
    assert {trial.scores["contains"] for trial in found.values()} == {None}
    broken[0] = False
    found = again()
    assert (found["function"].output, found["function"].error) == ("fine", None)
    assert len(engine.requests) == 1
    first = found["bad"].response_id
    assert again(retry_failed=True)["bad"].response_id != first
    assert len(engine.requests) == 2


def test_a_scorer_that_fails_is_called_again(tmp_path: Path) -> None:
    """Its trial keeps the reason, and the other scores."""
    broken = [True]

    def score(trial: Trial) -> float:
        return 1 / 0 if broken[0] else 1.0

    def again() -> Trial:
        experiment = Experiment("s", ["x"], {"v": str}, [score, Contains("x")], ledger=tmp_path / "l")
        return experiment.run(progress=False).trials[0]

    trial = again()
    assert (trial.scores, trial.error) == ({"score": None, "contains": 1.0}, None)
    assert trial.reasons == {"score": "ZeroDivisionError: division by zero"}
    broken[0] = False
    assert again().scores == {"score": 1.0, "contains": 1.0}


@pytest.mark.parametrize("is_blocking_client", [True, False])
def test_an_interrupt_stops_runs_and_the_next_start_continues(
    is_blocking_client: bool, engine: Engine, client: Client, service: LocalLumnis, tmp_path: Path
) -> None:
    """Ctrl-C in a blocking run: what is finished stands and can be read."""
    user = f"interrupt-{is_blocking_client}"
    kind = Client if is_blocking_client else AsyncClient
    chosen = kind(service.api_key, base_url=service.base_url, user_id=user)
    engine.gate.clear()
    variants = {"quick": "quick {question}", "slow": "{question}"}
    experiment = made(client=chosen, variants=variants, ledger=tmp_path / "l.jsonl")
    scored = threading.Semaphore(0)

    def interrupt() -> None:
        for _ in range(6):
            engine.arrived.acquire()
        for _ in range(3):
            scored.acquire()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        experiment.run(progress=lambda _: scored.release())
    engine.gate.set()
    partial = experiment.results()
    assert {trial.variant for trial in partial.trials} == {"quick"}
    assert (len(partial.trials), partial.total) == (3, 6)
    with Client(service.api_key, base_url=service.base_url, user_id=user) as reader:
        statuses = sorted(run.status for run in reader.responses.iter())
    assert statuses == ["cancelled"] * 3 + ["succeeded"] * 3
    whole = made(client=chosen, variants=variants, ledger=tmp_path / "l.jsonl").run(progress=False)
    assert [trial.error for trial in whole.trials] == [None] * 6
    assert len(engine.requests) == 6 + 3


async def test_a_cancelled_task_keeps_what_is_finished(engine: Engine, service: LocalLumnis, tmp_path: Path) -> None:
    """The trials of an asyncio experiment that is left."""
    engine.gate.clear()
    first = asyncio.Event()
    async with AsyncClient(service.api_key, base_url=service.base_url, user_id="cancelled") as client:
        variants = {"quick": "quick {question}", "slow": "{question}"}
        experiment = made(client=client, variants=variants, data=ROWS[:1], ledger=tmp_path / "l.jsonl")
        task = asyncio.ensure_future(experiment.arun(progress=lambda _: first.set()))
        await first.wait()
        await asyncio.to_thread(lambda: [engine.arrived.acquire() for _ in range(2)])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        engine.gate.set()
        assert [trial.variant for trial in read_ledger(tmp_path / "l.jsonl")] == ["quick"]
        whole = await experiment.arun(progress=False)
    assert [trial.error for trial in whole.trials] == [None, None]


_CHILD = """
import sys
from lumnisai_core import Client
from lumnisai_integrations.experiments import Contains, Experiment
rows = [{"id": number, "question": f"question {number}", "expected": str(number)} for number in range(3)]
variants = {"quick": "quick {question}", "slow": "{question}"}
client = Client(user_id="killed")
Experiment("killed", rows, variants, [Contains()], client=client, ledger=sys.argv[1]).run(progress=False)
"""


def test_a_process_that_is_killed_makes_no_second_run(engine: Engine, service: LocalLumnis, tmp_path: Path) -> None:
    """Runs under way go on at the service and are found by their keys."""
    ledger = tmp_path / "l.jsonl"
    environment = {**os.environ, "LUMNISAI_API_KEY": service.api_key, "LUMNISAI_BASE_URL": service.base_url}
    engine.gate.clear()
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(ledger)], env=environment)
    for _ in range(6):
        engine.arrived.acquire()
    child.kill()
    child.wait()
    engine.gate.set()
    subprocess.run([sys.executable, "-c", _CHILD, str(ledger)], env=environment, check=True)
    assert len(engine.requests) == 6
    assert sorted(trial.output or "" for trial in read_ledger(ledger)) == sorted(text.upper() for text in engine.texts)


def test_a_key_that_is_refused_ends_the_experiment(service: LocalLumnis, engine: Engine) -> None:
    """It is about all rows: one error, not a table of them. Nothing is sent without a key or a user."""
    wrong = Client("wrong", base_url=service.base_url, user_id="u")
    with pytest.raises(AuthenticationError):
        made(client=wrong).run(progress=False)
    with pytest.raises(ConfigurationError):
        made().run(progress=False)
    with pytest.raises(MissingUserId):
        made(client=Client(service.api_key, base_url=service.base_url)).run(progress=False)
    with pytest.raises(ConfigurationError):
        Experiment("judged", ["x"], {"v": str}, [Judge("Good?")]).run(progress=False)
    assert engine.requests == []


def test_the_default_client_comes_from_the_environment(
    engine: Engine, service: LocalLumnis, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is not needed where nothing makes runs."""
    assert Experiment("local", ["x"], {"v": str}).run(progress=False).trials[0].output == "{'input': 'x'}"
    monkeypatch.setenv("LUMNISAI_API_KEY", service.api_key)
    monkeypatch.setenv("LUMNISAI_BASE_URL", service.base_url)
    for options in ({"variants": {"v": Variant("{question}", user_id="ada")}}, {"user_id": "bob"}):
        results = made(**options).run(progress=False)
        assert {trial.error for trial in results.trials} == {None}
    assert made(client=client, user_id="eve").run(progress=False).is_complete
    assert len({request.user_id for request in engine.requests}) == 3


def test_progress_counts_trials_errors_and_tokens(
    engine: Engine, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """To a function after each trial, or as one line; nothing is shown where nothing is left."""
    seen: list[JobProgress] = []
    variants = {"plain": "{question}", "bad": "bad {question}"}
    experiment = made(client=client, variants=variants)
    experiment.run(progress=seen.append)
    assert [one.done for one in seen] == [1, 2, 3, 4, 5, 6]
    assert (seen[-1].errors, seen[-1].total, seen[-1].input_tokens, seen[-1].output_tokens) == (3, 6, 9, 6)
    experiment.run()
    assert capsys.readouterr().out == ""
    made(client=client).run()
    assert "6/6 rows" in capsys.readouterr().out


def test_a_judge_grades_by_a_rubric(engine: Engine, client: Client) -> None:
    """In a run of its own, with the question, the expected answer and the answer as data; from 0 to 1."""
    results = made(client=client, variants={"v": "{question}"}, scorers=[Judge("Is it loud?")]).run(progress=False)
    assert [trial.scores["judge"] for trial in results.trials] == [1.0, 0.25, 0.25]
    assert results.trials[0].reasons == {"judge": "It is loud."}
    asked = [request for request in engine.requests if request.response_format is not None]
    texts = [request.input_messages[-1].content for request in asked]
    assert ["Is it loud?" in text for text in texts] == [True] * 3
    assert ['"question": "' in text for text in texts] == [True] * 3


def test_at_most_so_many_trials_are_under_way() -> None:
    """Functions that block, in threads of their own."""
    now, most, lock = [0], [0], threading.Lock()
    both = threading.Barrier(3)

    def function(row: Any) -> str:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        both.wait(20)
        with lock:
            now[0] -= 1
        return "x"

    Experiment("room", [str(n) for n in range(9)], {"v": function}, max_in_flight=3).run(progress=False)
    assert most[0] == 3


def test_a_grid_has_all_combinations(engine: Engine, client: Client) -> None:
    """Of prompts, models and agent settings; parameters are sent with the runs."""
    variants = grid(
        {"short": "{question}", "long": "Long: {question}"},
        model_overrides={"default": None, "small": {"smart_model": "openai:small"}},
    )
    assert list(variants) == ["short / default", "short / small", "long / default", "long / small"]
    made(client=client, variants=variants, data=ROWS[:1]).run(progress=False)
    models = [(request.model_overrides or {}).get("smart_model") for request in engine.requests]
    assert sorted(models, key=str) == [None, None, "openai:small", "openai:small"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": " "}, "name must be a non-empty string"),
    ({"data": []}, "data has no rows"),
    ({"variants": {}}, "variants is empty"),
    ({"variants": "{question}"}, "variants must be a dict"),
    ({"variants": {"": "x"}}, "the name of a variant"),
    ({"variants": {"v": 5}}, "variant 'v': must be a prompt"),
    ({"variants": {"v": "{tide}"}}, "variant 'v', row 'high': a row has no field 'tide': it has question"),
    ({"variants": {"v": {"text": "x"}}}, "must have the key 'prompt'"),
    ({"variants": ["{question}", "{question}"]}, "two variants have the name"),
    ({"scorers": Exact()}, "put it in a list"),
    ({"scorers": [Exact(), Exact(ignore_case=True)]}, "two scorers have the name 'exact'"),
    ({"scorers": [Exact]}, "make an object of it"),
    ({"data": ["x"], "variants": ["{input}"]}, "no row has a field 'expected'"),
    ({"repeats": 0}, "repeats must be a whole number, 1 or more"),
    ({"max_in_flight": True}, "max_in_flight must be a whole number"),
    ({"seed": -1}, "seed must be a whole number"),
    ({"client": "key"}, "client must be a Client or an AsyncClient"),
    ({"lucidic": Client}, "lucidic must be a client of Lucidic"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_wrong_arguments_are_refused_before_anything_is_made(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        made(**{"name": "tides", **options})


def test_a_function_is_named_by_itself() -> None:
    """Variants and scorers in lists."""

    def loud(row: Any) -> str:
        return str(row["input"]).upper()

    experiment = Experiment("named", ["x"], [loud], {"right": lambda trial: trial.output == "X"})
    assert [*experiment.run(progress=False).trials[0].scores.items()] == [("right", 1.0)]
    assert repr(experiment) == "Experiment('named', 1 rows, variants loud, scorers right)"
    assert Function(loud).name == "loud"


def test_the_ledger_holds_no_key(engine: Engine, client: Client, service: LocalLumnis, tmp_path: Path) -> None:
    """Questions, answers and ids only, each line an object."""
    made(client=client, ledger=tmp_path / "deep" / "l.jsonl").run(progress=False)
    text = (tmp_path / "deep" / "l.jsonl").read_text("utf-8")
    assert service.api_key not in text
    assert all(isinstance(json.loads(line), dict) for line in text.splitlines())
