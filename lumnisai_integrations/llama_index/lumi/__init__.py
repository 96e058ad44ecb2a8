"""Lumi.new in LlamaIndex."""
