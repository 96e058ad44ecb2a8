"""The privacy gateway in LangChain."""
