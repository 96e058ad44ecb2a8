"""Calls of Lumi.new: arguments checked and written as requests, answers read as models."""
