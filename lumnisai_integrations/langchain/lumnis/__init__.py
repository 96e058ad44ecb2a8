"""The agent platform Lumnis in LangChain."""
