"""ragas: its two wrappers around our models, and metrics that are scored through them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.prompt_values import StringPromptValue
from ragas import EvaluationDataset, SingleTurnSample, evaluate
from ragas.llms import LangchainLLMWrapper, LlamaIndexLLMWrapper
from ragas.metrics import AspectCritic, Faithfulness
from ragas.run_config import RunConfig

from lumnisai_core.local import RunRequest
from tests.thirdparty.conftest import Play, Stage
from tests.thirdparty.moves import Move, Says, last_text

QUESTION = StringPromptValue(text="When is high tide?")
SAMPLE = SingleTurnSample(
    user_input="When is high tide at North Quay?",
    response="High tide is at noon.",
    retrieved_contexts=["The tide table of North Quay: high tide at noon, low tide at six."],
)
WRAPPERS = ("langchain", "llama_index")
ONCE = RunConfig(max_retries=1)  # a failure shows at once, without the waits between tries


def wrapped(kind: str, stage: Stage) -> Any:
    if kind == "langchain":
        return LangchainLLMWrapper(stage.chat(), run_config=ONCE)
    return LlamaIndexLLMWrapper(stage.llm(), run_config=ONCE)


def judge(request: RunRequest) -> Move:
    """Answer the prompts of the metrics below as a careful judge would, in JSON as they ask."""
    text = last_text(request)
    if '"verdict"' not in text:
        return Says(json.dumps({"statements": ["High tide at North Quay is at noon."]}))
    if '"statements"' in text:
        verdict = {"statement": "High tide at North Quay is at noon.", "reason": "The table has it.", "verdict": 1}
        return Says(json.dumps({"statements": [verdict]}))
    return Says(json.dumps({"reason": "It names the hour.", "verdict": 1}))


@pytest.mark.parametrize("kind", WRAPPERS)
async def test_a_wrapped_model_generates(kind: str, play: Play) -> None:
    """The wrapper of LlamaIndex always hands down ``stop=None`` and ``n=1``."""
    stage = play(plan=lambda _: Says("At noon."))
    llm = wrapped(kind, stage)
    assert llm.generate_text(QUESTION).generations[0][0].text == "At noon."
    result = await llm.generate(QUESTION)
    assert [generation.text for generation in result.generations[0]] == ["At noon."]
    assert [last_text(request) for request in stage.requests] == [QUESTION.text] * 2


async def test_several_generations_are_several_runs(play: Play) -> None:
    stage = play(plan=lambda _: Says("At noon."))
    result = await wrapped("langchain", stage).generate(QUESTION, n=3)
    assert [generation.text for generation in result.generations[0]] == ["At noon."] * 3
    assert len(stage.requests) == 3


@pytest.mark.parametrize("kind", WRAPPERS)
async def test_metrics_are_scored(kind: str, play: Play) -> None:
    stage = play(plan=judge)
    critic = AspectCritic(name="names_the_hour", definition="Does it name an hour?", llm=wrapped(kind, stage))
    assert await critic.single_turn_ascore(SAMPLE) == 1
    assert await Faithfulness(llm=wrapped(kind, stage)).single_turn_ascore(SAMPLE) == 1.0
    assert len(stage.requests) == 3


@pytest.mark.parametrize("kind", WRAPPERS)
def test_a_data_set_is_evaluated(kind: str, play: Play) -> None:
    stage = play(plan=judge)
    data = EvaluationDataset(samples=[SAMPLE, SAMPLE])
    judged_by = wrapped(kind, stage)
    result = evaluate(data, metrics=[Faithfulness()], llm=judged_by, run_config=ONCE, show_progress=False)
    assert result["faithfulness"] == [1.0, 1.0]
