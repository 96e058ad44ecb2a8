"""The agent platform Lumnis: its models, calls, runs and clients."""
