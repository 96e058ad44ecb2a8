"""Graphs whose processes are killed: each step has one run, and the answers are those of a graph that was not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis, RunReport, RunRequest, RunResult
from lumnisai_integrations.langchain import ChatLumnis
from tests.durable.kills import CALLS, reply, right_answer, run_trials

_KILLS = 50
_SECONDS_OF_A_RUN = 0.15


class Answers:
    """Answers each question right, after a while."""

    async def run(self, request: RunRequest, report: RunReport) -> RunResult:
        await asyncio.sleep(_SECONDS_OF_A_RUN)
        return RunResult(output_text=reply(request.input_messages[-1].content))


def test_killed_graphs_pay_for_each_step_once(tmp_path: Path) -> None:
    with LocalLumnis(engine=Answers()) as local:
        model = ChatLumnis(api_key=local.api_key, base_url=local.base_url, user_id="u")

        def make() -> Callable[[str], str]:
            return lambda question: str(model.invoke(question).content)

        trials = run_trials(make, tmp_path, _KILLS)
        with Client(local.api_key, base_url=local.base_url, user_id="u") as client:
            runs = list(client.responses.iter())
    asked = [run.input_messages[-1].content for run in runs]
    assert [trial.answer for trial in trials] == [right_answer(trial.name) for trial in trials]
    assert sum(trial.kills for trial in trials) == _KILLS
    assert len(asked) == len(set(asked)) == CALLS * len(trials)
    assert {str(run.status) for run in runs} == {"succeeded"}
    assert all(run.output_text == reply(run.input_messages[-1].content) for run in runs)
