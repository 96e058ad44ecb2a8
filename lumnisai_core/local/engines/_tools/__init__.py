"""Calls of tools that the caller runs, and answers from their results. Pure."""
