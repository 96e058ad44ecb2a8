"""Liminal, embedded: detection, policies, placeholders, sessions and the routes of the privacy gateway."""
