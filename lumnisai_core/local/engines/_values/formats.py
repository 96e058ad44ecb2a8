"""Neutral texts, and sample texts for the formats of JSON Schema."""

from __future__ import annotations

NEUTRAL_TEXTS = ("unknown", "none", "not given", "n/a", "-", "text", "sample", "value", "item")

_FORMATS: dict[str, tuple[str, ...]] = {
    "date": ("2000-01-01", "2000-01-02", "2001-01-01"),
    "date-time": ("2000-01-01T00:00:00Z", "2000-01-02T00:00:00Z", "2001-01-01T00:00:00Z"),
    "time": ("00:00:00Z", "12:00:00Z", "00:00:00+00:00"),
    "duration": ("P1D", "PT1H", "P1Y"),
    "email": ("someone@example.org", "other@example.org", "a@example.org"),
    "idn-email": ("someone@example.org", "other@example.org"),
    "hostname": ("example.org", "www.example.org", "localhost"),
    "idn-hostname": ("example.org", "www.example.org"),
    "ipv4": ("192.0.2.1", "192.0.2.2", "198.51.100.1"),
    "ipv6": ("2001:db8::1", "2001:db8::2", "::1"),
    "uri": ("https://example.org/", "https://example.org/a", "urn:example:a"),
    "uri-reference": ("https://example.org/", "/a", "a"),
    "iri": ("https://example.org/", "https://example.org/a"),
    "iri-reference": ("https://example.org/", "/a"),
    "uri-template": ("https://example.org/{id}", "/{id}"),
    "url": ("https://example.org/", "https://example.org/a"),
    "uuid": ("00000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000001"),
    "json-pointer": ("/a", "", "/b"),
    "relative-json-pointer": ("0", "1/a"),
    "regex": (".*", "a", "b"),
    "byte": ("", "YQ==", "Yg=="),
    "binary": ("", "a", "b"),
}


def of_format(name: str) -> tuple[str, ...]:
    """Return texts of a format; none if the format is not known."""
    return _FORMATS.get(name, ())
