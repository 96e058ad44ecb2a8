"""Lumi.new for both frameworks: connection, messages, documents, tools."""
