"""Runs: watching them and running many."""
