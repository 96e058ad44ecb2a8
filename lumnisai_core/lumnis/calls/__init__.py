"""Arguments, HTTP calls and answers of the agent platform, one file for each resource that needs one."""
