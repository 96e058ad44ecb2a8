"""Recording in Lucidic: experiment, sessions, events and scores are there and can be read back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lumnisai_core.local import LocalLumnis
from lumnisai_core.lucidic import AsyncClient, Client
from lumnisai_integrations.experiments import (
    Contains,
    Exact,
    Experiment,
    aread_recorded,
    read_recorded,
    read_rows,
    write_dataset,
)

ROWS = [{"id": 1, "question": "When?", "expected": "WHEN?"}, {"id": 2, "question": "bad", "expected": "x"}]


def loud(row: Any) -> str:
    if row["question"] == "bad":
        raise ValueError("No.")
    return str(row["question"]).upper()


def settings(service: LocalLumnis) -> dict[str, Any]:
    lucidic = service.lucidic
    return {"api_key": lucidic.api_key, "agent_id": lucidic.agent_id, "base_url": lucidic.base_url}


@pytest.fixture
def lucidic(service: LocalLumnis) -> Iterator[Client]:
    with Client(**settings(service)) as client:
        yield client


@pytest.mark.parametrize("is_asyncio", [False, True])
def test_an_experiment_is_recorded_and_read_back(is_asyncio: bool, service: LocalLumnis, lucidic: Client) -> None:
    """By either client: the trials that come back are those that were made."""
    client = AsyncClient(**settings(service)) if is_asyncio else lucidic
    experiment = Experiment("recorded", ROWS, {"loud": loud}, [Exact(), Contains()], lucidic=client)
    results = asyncio.run(experiment.arun(progress=False)) if is_asyncio else experiment.run(progress=False)
    assert experiment.lucidic_id is not None
    back = read_recorded(lucidic, experiment.lucidic_id)
    assert {trial.cell: trial for trial in back} == {trial.cell: trial for trial in results.trials}
    assert asyncio.run(_read(service, experiment.lucidic_id)) == back
    by_row = {trial.row: lucidic.sessions.get(str(trial.session_id)) for trial in results.trials}
    good, bad = by_row["1"], by_row["2"]
    assert (good.session_name, good.task, good.is_finished, good.is_successful) == ("loud: 1", "recorded", True, True)
    assert good.session_eval == 1.0
    assert (bad.is_successful, bad.is_successful_reason) == (False, "ValueError: No.")


async def _read(service: LocalLumnis, experiment_id: str) -> Any:
    async with AsyncClient(**settings(service)) as client:
        return await aread_recorded(client, experiment_id)


def test_a_second_start_records_only_what_is_new(lucidic: Client, tmp_path: Path) -> None:
    """New scores join the session that is there; an unchanged experiment records nothing."""

    def made(*scorers: Any) -> Experiment:
        return Experiment("twice", ROWS[:1], {"loud": loud}, scorers, ledger=tmp_path / "l", lucidic=lucidic)

    made(Exact()).run(progress=False)
    experiment = made(Exact(), Contains())
    results = experiment.run(progress=False)
    assert made(Exact(), Contains()).run(progress=False) == results
    experiment_id = str(experiment.lucidic_id)
    (trial,) = read_recorded(lucidic, experiment_id)
    assert trial == results.trials[0]
    assert trial.scores == {"exact": 1.0, "contains": 1.0}
    assert len(lucidic.events.list(session_id=str(trial.session_id))) == 2


def test_an_earlier_experiment_is_recorded_later(lucidic: Client, tmp_path: Path) -> None:
    """Without calling its variants again."""
    calls: list[int] = []
    known: dict[str, Any] = {"ledger": tmp_path / "l"}

    def once(row: Any) -> str:
        calls.append(1)
        return "x"

    Experiment("later", ["a"], {"once": once}, **known).run(progress=False)
    experiment = Experiment("later", ["a"], {"once": once}, lucidic=lucidic, **known)
    experiment.run(progress=False)
    assert len(read_recorded(lucidic, str(experiment.lucidic_id))) == len(calls) == 1


def test_items_of_a_data_set_have_their_sessions(lucidic: Client) -> None:
    """The session of a trial belongs to the item that it has run."""
    dataset_id = write_dataset(lucidic, "for sessions", ROWS)
    dataset = lucidic.datasets.get(dataset_id)
    results = Experiment("items", dataset, {"loud": loud}, lucidic=lucidic).run(progress=False)
    item = read_rows(dataset)[0]
    sessions = lucidic.datasets.list_item_sessions(str(item.datasetitem_id))
    assert [one.session_id for one in sessions] == [
        trial.session_id for trial in results.trials if trial.row == item.key
    ]


def test_a_service_that_is_away_ends_nothing(service: LocalLumnis, lucidic: Client, tmp_path: Path) -> None:
    """One warning; the next start records what is missing."""
    known: dict[str, Any] = {"ledger": tmp_path / "l"}
    with Client(**{**settings(service), "base_url": "http://127.0.0.1:9"}, max_retries=0) as away:
        experiment = Experiment("away", ["a", "b"], {"v": str}, lucidic=away, **known)
        with pytest.warns(RuntimeWarning, match="Lucidic has not recorded all trials") as warned:
            results = experiment.run(progress=False)
    assert len(warned) == 1
    assert [trial.session_id for trial in results.trials] == [None, None]
    again = Experiment("away", ["a", "b"], {"v": str}, lucidic=lucidic, **known)
    recorded = again.run(progress=False)
    assert [replace(trial, session_id=None) for trial in recorded.trials] == list(results.trials)
    assert len(read_recorded(lucidic, str(again.lucidic_id))) == 2
