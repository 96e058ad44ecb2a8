"""deepeval: ChatLumnis as the judge of its metrics, through its class for models of one's own."""

from __future__ import annotations

from typing import Any

import pytest
from deepeval.metrics import AnswerRelevancyMetric, GEval
from deepeval.models import DeepEvalBaseLLM
from deepeval.test_case import LLMTestCase, SingleTurnParams
from pydantic import BaseModel

from lumnisai_core.local import RunRequest
from lumnisai_integrations.langchain import ChatLumnis
from tests.thirdparty.conftest import Play
from tests.thirdparty.moves import Gives, Move

CASE = LLMTestCase(input="When is high tide?", actual_output="High tide is at noon.")
ANSWERS: dict[str, Any] = {
    "Statements": {"statements": ["High tide is at noon."]},
    "Verdicts": {"verdicts": [{"verdict": "yes", "reason": None}]},
    "AnswerRelevancyScoreReason": {"reason": "It answers the question."},
    "Steps": {"steps": ["Look for an hour."]},
    "ReasonScore": {"reason": "It names the hour.", "score": 9},
}


class Judge(DeepEvalBaseLLM):  # type: ignore[misc] # installed by `make thirdparty` only
    """A model of one's own, as the documentation of deepeval writes it."""

    def __init__(self, chat: ChatLumnis) -> None:
        self._chat = chat
        super().__init__("lumnis")

    def load_model(self) -> Any:
        return self._chat

    def generate(self, prompt: str, schema: type[BaseModel] | None = None) -> Any:
        if schema is None:
            return self._chat.invoke(prompt).text
        return self._chat.with_structured_output(schema).invoke(prompt)

    async def a_generate(self, prompt: str, schema: type[BaseModel] | None = None) -> Any:
        if schema is None:
            return (await self._chat.ainvoke(prompt)).text
        return await self._chat.with_structured_output(schema).ainvoke(prompt)

    def get_model_name(self) -> str:
        return "lumnis"


def judge(request: RunRequest) -> Move:
    """Fill in the object that a metric asks for, by the name of its class."""
    assert request.response_format is not None
    return Gives(ANSWERS[request.response_format["title"]])


@pytest.mark.parametrize("async_mode", [False, True])
def test_relevancy_is_measured(async_mode: bool, play: Play) -> None:
    stage = play(plan=judge)
    metric = AnswerRelevancyMetric(model=Judge(stage.chat()), async_mode=async_mode)
    assert metric.measure(CASE, _show_indicator=False) == 1.0
    assert metric.reason == "It answers the question."
    titles = [(request.response_format or {}).get("title") for request in stage.requests]
    assert titles == ["Statements", "Verdicts", "AnswerRelevancyScoreReason"]


@pytest.mark.parametrize("async_mode", [False, True])
def test_criteria_in_words_are_measured(async_mode: bool, play: Play) -> None:
    stage = play(plan=judge)
    metric = GEval(
        name="names the hour",
        criteria="Does the answer name an hour?",
        evaluation_params=[SingleTurnParams.INPUT, SingleTurnParams.ACTUAL_OUTPUT],
        model=Judge(stage.chat()),
        async_mode=async_mode,
    )
    assert metric.measure(CASE, _show_indicator=False) == 0.9
    assert len(stage.requests) == 2
