"""Experiments: compare prompts, models and agents over a data set."""

from .trial import Trial

__all__ = ["Trial"]
