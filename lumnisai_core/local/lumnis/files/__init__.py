"""Uploaded files: receiving, keeping, reading, cutting into pieces, serving."""
