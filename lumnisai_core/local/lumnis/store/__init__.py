"""The database of the agent platform: the only place with its SQL. Used in the service's own thread only."""
