"""The agent platform Lumnis in LlamaIndex."""
