"""Tests of Lumi.new in LlamaIndex."""
