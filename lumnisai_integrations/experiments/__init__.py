"""Experiments: compare prompts, models and agents over a data set, with scores and what of them could be chance.

>>> from lumnisai_integrations.experiments import Contains, Experiment
>>> experiment = Experiment("tides", rows, {"short": "{question}", "long": "{notes} {question}"}, [Contains()])
>>> experiment.run()
"""

from __future__ import annotations

from lumnisai_integrations.experiments.config import ExperimentFile
from lumnisai_integrations.experiments.datasets import Row, awrite_dataset, read_rows, write_dataset
from lumnisai_integrations.experiments.experiment import Experiment
from lumnisai_integrations.experiments.ledger import read_ledger
from lumnisai_integrations.experiments.recording import aread_recorded, read_recorded
from lumnisai_integrations.experiments.reports import to_junit, to_markdown
from lumnisai_integrations.experiments.results import Results
from lumnisai_integrations.experiments.scorers import (
    Contains,
    Exact,
    FitsSchema,
    FromLangChain,
    FromLlamaIndex,
    Judge,
    Matches,
)
from lumnisai_integrations.experiments.scoring import Function, Scorer
from lumnisai_integrations.experiments.statistics import Difference, Mean
from lumnisai_integrations.experiments.tables import Disagreement, Failure, Table, VariantSummary
from lumnisai_integrations.experiments.thresholds import Check, Threshold, check_all
from lumnisai_integrations.experiments.trial import Trial
from lumnisai_integrations.experiments.variants import Variant, grid

__all__ = [
    "Check",
    "Contains",
    "Difference",
    "Disagreement",
    "Exact",
    "Experiment",
    "ExperimentFile",
    "Failure",
    "FitsSchema",
    "FromLangChain",
    "FromLlamaIndex",
    "Function",
    "Judge",
    "Matches",
    "Mean",
    "Results",
    "Row",
    "Scorer",
    "Table",
    "Threshold",
    "Trial",
    "Variant",
    "VariantSummary",
    "aread_recorded",
    "awrite_dataset",
    "check_all",
    "grid",
    "read_ledger",
    "read_recorded",
    "read_rows",
    "to_junit",
    "to_markdown",
    "write_dataset",
]
