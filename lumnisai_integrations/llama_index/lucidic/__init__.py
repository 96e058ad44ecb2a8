"""Lucidic in LlamaIndex: the handler that records spans and events."""
