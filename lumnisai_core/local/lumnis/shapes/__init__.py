"""Shapes of requests and replies by subject. A dataclass is also the row of a table."""
