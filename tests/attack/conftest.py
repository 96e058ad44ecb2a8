"""Fixtures of the attacks: those of the embedded service's tests."""

from __future__ import annotations

from tests.local.conftest import api, held, serve

__all__ = ["api", "held", "serve"]
