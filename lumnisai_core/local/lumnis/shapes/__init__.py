"""Requests: their shapes by subject, and reading them into values or a 422."""
