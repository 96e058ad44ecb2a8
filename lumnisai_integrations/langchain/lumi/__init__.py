"""Lumi.new in LangChain."""
