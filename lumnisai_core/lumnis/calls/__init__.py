"""From arguments to the HTTP calls of the agent platform, one file for each resource."""
