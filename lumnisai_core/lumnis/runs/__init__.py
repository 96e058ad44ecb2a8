"""Runs: watching them, running many, printing their progress."""
