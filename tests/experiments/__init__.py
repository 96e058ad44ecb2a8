"""Experiments: prompts, functions and agents over a data set, and what their results say."""
