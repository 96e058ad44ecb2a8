"""Lucidic in LangChain: the callback handler that records runs."""
