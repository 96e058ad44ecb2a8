"""Errors of Lucidic under the names of the product's documentation."""

from __future__ import annotations

from lumnisai_core.exceptions import (
    APIKeyVerificationError,
    FeatureFlagError,
    InvalidOperationError,
    LucidicNotInitializedError,
    LumnisAIError,
    PromptError,
)

#: The base class has this name in the product's package.
LucidicError = LumnisAIError

__all__ = [
    "APIKeyVerificationError",
    "FeatureFlagError",
    "InvalidOperationError",
    "LucidicError",
    "LucidicNotInitializedError",
    "PromptError",
]
