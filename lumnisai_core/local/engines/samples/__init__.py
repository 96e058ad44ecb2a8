"""Values for JSON Schemas, filled with what is given. Pure."""
