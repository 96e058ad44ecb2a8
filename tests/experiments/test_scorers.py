"""Scorers: what each makes of an answer, what functions may return, and evaluators of frameworks."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from llama_index.core.evaluation import BaseEvaluator, EvaluationResult
from pydantic import BaseModel

from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations.experiments import (
    Contains,
    Exact,
    Experiment,
    FitsSchema,
    FromLangChain,
    FromLlamaIndex,
    Judge,
    Matches,
    Scorer,
    Trial,
)
from lumnisai_integrations.experiments.scoring import read_score


class Tide(BaseModel):
    port: str
    metres: float


SCHEMA = {"type": "object", "properties": {"port": {"type": "string"}}, "required": ["port"]}


def trial_of(output: Any, scorer: Any, expected: Any = None, **fields: Any) -> Trial:
    """Return the trial of one answer, scored by the blocking and by the asyncio way, which must agree."""

    def made() -> Experiment:
        row = {"id": 1, "question": "When?", **fields} | ({} if expected is None else {"expected": expected})
        return Experiment("scored", [row], {"v": lambda _: output}, [scorer])

    blocking, awaited = made().run(progress=False).trials[0], asyncio.run(made().arun(progress=False)).trials[0]
    assert (blocking.scores, blocking.reasons) == (awaited.scores, awaited.reasons)
    return blocking


SCORED: list[tuple[Scorer, Any, Any, float | None]] = [
    (Exact(), " 4.1  m\n", "4.1 m", 1.0),
    (Exact(), "4.1 M", "4.1 m", 0.0),
    (Exact(ignore_case=True), "4.1 M", "4.1 m", 1.0),
    (Exact("yes"), "yes", None, 1.0),
    (Exact(), '{"b": 2, "a": 1}', {"a": 1, "b": 2}, 1.0),
    (Exact(), {"a": 1}, {"a": 1}, 1.0),
    (Exact(), "4", 4, 1.0),
    (Exact(), "four", 4, 0.0),
    (Exact(), "```json\n[1]\n```", [1], 1.0),
    (Contains(), "At spring tides, 4.1 M.", "4.1 m", 1.0),
    (Contains(), "The water\n  rises", "water rises", 1.0),
    (Contains(ignore_case=False), "TERN", "Tern", 0.0),
    (Contains(), "a and b", ["a", "c"], 0.0),
    (Contains(["a", "b"]), "a and b", None, 1.0),
    (Contains(), "it is 42", 42, 1.0),
    (Matches(r"\d+:\d\d"), "at 7:30", None, 1.0),
    (Matches(), "at noon", r"\d", 0.0),
    (Matches("TERN", ignore_case=True), "tern", None, 1.0),
    (FitsSchema(SCHEMA), '{"port": "Wick"}', None, 1.0),
    (FitsSchema(SCHEMA), {"port": 5}, None, 0.0),
    (FitsSchema(SCHEMA), "no JSON", None, 0.0),
    (FitsSchema(Tide), {"port": "Wick", "metres": 4.1}, None, 1.0),
    (FitsSchema(Tide), {"port": "Wick"}, None, 0.0),
    (FitsSchema({"type": "null"}), "null", None, 1.0),
]


@pytest.mark.parametrize(("scorer", "output", "expected", "score"), SCORED)
def test_answers_are_scored(scorer: Scorer, output: Any, expected: Any, score: float | None) -> None:
    """1 for yes and 0 for no, which has a reason."""
    trial = trial_of(output, scorer, expected)
    assert trial.scores == {scorer.name: score}
    assert bool(trial.reasons.get(scorer.name)) == (score != 1.0)


def test_a_row_without_an_expected_answer_has_no_score() -> None:
    """Others of the same experiment have."""
    rows = [{"id": 1, "q": "a", "expected": "a"}, {"id": 2, "q": "b"}]
    trials = Experiment("x", rows, {"v": lambda row: row["q"]}, [Exact()]).run(progress=False).trials
    assert [trial.scores["exact"] for trial in trials] == [1.0, None]
    assert trials[1].reasons == {"exact": "The row has no expected answer."}


RETURNED: list[tuple[Any, float | None, str]] = [
    (True, 1.0, ""),
    (0.25, 0.25, ""),
    (7, 7.0, ""),
    (np.float32(0.5), 0.5, ""),
    (np.bool_(True), 1.0, ""),
    ((False, "too long"), 0.0, "too long"),
    ({"score": 1, "reason": "fine"}, 1.0, "fine"),
    ({"score": 0.5, "comment": "half"}, 0.5, "half"),
    (None, None, "The scorer gave no score."),
    ((None, "no idea"), None, "no idea"),
]


@pytest.mark.parametrize(("value", "score", "reason"), RETURNED)
def test_functions_return_numbers_with_or_without_reasons(value: Any, score: float | None, reason: str) -> None:
    assert read_score(value)[:2] == (score, reason)


@pytest.mark.parametrize("value", ["1", float("nan"), float("inf"), [1], {"score": "high"}])
def test_what_is_not_a_number_is_a_failure_with_a_reason(value: Any) -> None:
    """It is not taken for 0."""

    def scorer(trial: Trial) -> Any:
        return value

    trial = trial_of("x", scorer)
    assert trial.scores == {"scorer": None}
    assert "a score must be a finite number, True or False" in trial.reasons["scorer"]


def test_coroutine_functions_score_too() -> None:
    async def close(trial: Trial) -> tuple[bool, str]:
        await asyncio.sleep(0)
        return trial.output == "x", f"got {trial.output}"

    assert trial_of("x", close).scores == {"close": 1.0}


class Length(BaseEvaluator):
    """Scores by the length of the answer."""

    def _get_prompts(self) -> Any:
        return {}

    def _update_prompts(self, prompts: Any) -> None: ...

    async def aevaluate(
        self, query: Any = None, response: Any = None, contexts: Any = None, **known: Any
    ) -> EvaluationResult:
        if response == "invalid":
            return EvaluationResult(invalid_result=True, invalid_reason="The judge is away.")
        feedback = f"{query}|{contexts}|{known.get('reference')}"
        return EvaluationResult(score=float(len(response)), passing=True, feedback=feedback)


def test_evaluators_of_llama_index_score() -> None:
    """Question, contexts and reference come from the row; scores are divided by the highest one."""
    scorer = FromLlamaIndex(Length(), input="question", contexts="notes", highest=5)
    trial = trial_of("x", scorer, "y", notes=["a", "b"])
    assert trial.scores == {"Length": 0.2}
    assert trial.reasons == {"Length": "When?|['a', 'b']|y"}
    trial = trial_of("invalid", Length())
    assert (trial.scores, trial.reasons) == ({"Length": None}, {"Length": "ValueError: The judge is away."})


class StringEvaluator:
    """As those of langchain-classic."""

    evaluation_name = "same"
    requires_reference = True
    requires_input = False

    def evaluate_strings(self, *, prediction: str, reference: str) -> dict[str, Any]:
        return {"score": int(prediction == reference), "reasoning": f"{prediction} for {reference}"}

    async def aevaluate_strings(self, *, prediction: str, reference: str) -> dict[str, Any]:
        return self.evaluate_strings(prediction=prediction, reference=reference)


def test_evaluators_of_langchain_score() -> None:
    """Those with ``evaluate_strings``, and functions with the keywords of openevals."""
    trial = trial_of("x", StringEvaluator(), "y")
    assert (trial.scores, trial.reasons) == ({"same": 0.0}, {"same": "x for y"})

    def concise(*, inputs: str, outputs: str, reference_outputs: str) -> dict[str, Any]:
        return {"key": "concise", "score": True, "comment": f"{inputs} {outputs} {reference_outputs}"}

    trial = trial_of("x", FromLangChain(concise), "y")
    assert (trial.scores, trial.reasons) == ({"concise": 1.0}, {"concise": "When? x y"})


REFUSED: list[tuple[Any, str]] = [
    (lambda: Matches("("), "pattern must be a regular expression"),
    (lambda: FitsSchema({"type": "tide"}), "schema must be a valid JSON Schema"),
    (lambda: FitsSchema({"$ref": "http://elsewhere/schema"}), "schema must be a valid JSON Schema"),
    (lambda: FitsSchema(int), "a class of pydantic"),  # type: ignore[arg-type]
    (lambda: Judge(" "), "rubric must be a non-empty string"),
    (lambda: Judge("Good?", levels=1), "levels must be a whole number, 2 or more"),
    (lambda: Judge("Good?", response_format={}), "a judge has no parameters response_format"),
    (lambda: Exact(name=""), "the name of a scorer must be a non-empty string"),
    (lambda: FromLlamaIndex(5), "must be an evaluator of LlamaIndex"),
    (lambda: FromLlamaIndex(Length(), highest=0), "highest must be a positive number"),
    (lambda: FromLangChain(5), "must be an evaluator of LangChain"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_wrong_scorers_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make()
