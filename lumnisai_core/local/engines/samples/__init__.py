"""Sample values of JSON Schemas, filled from a text. Deterministic, without input or output."""
