"""Graphs whose processes are killed: each step has one run, and the answers are those of a graph that was not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.langchain import ChatLumnis
from tests.durable.__main__ import KILLS, Answers
from tests.durable.kills import CALLS, reply, right_answer, run_trials


def test_killed_graphs_pay_for_each_step_once(tmp_path: Path) -> None:
    with LocalLumnis(engine=Answers()) as local:
        model = ChatLumnis(api_key=local.api_key, base_url=local.base_url, user_id="u")

        def make() -> Callable[[str], str]:
            return lambda question: str(model.invoke(question).content)

        trials = run_trials(make, tmp_path, KILLS)
        with Client(local.api_key, base_url=local.base_url, user_id="u") as client:
            runs = list(client.responses.iter())
    asked = [run.input_messages[-1].content for run in runs]
    assert [trial.answer for trial in trials] == [right_answer(trial.name) for trial in trials]
    assert sum(trial.kills for trial in trials) == KILLS
    assert len(asked) == len(set(asked)) == CALLS * len(trials)
    assert {str(run.status) for run in runs} == {"succeeded"}
    assert all(run.output_text == reply(run.input_messages[-1].content) for run in runs)
