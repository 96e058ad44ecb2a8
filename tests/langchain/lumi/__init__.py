"""Tests of Lumi.new in LangChain."""
