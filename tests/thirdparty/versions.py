"""The packages of other projects that the tests of this folder run, and the page that lists their versions."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "compatibility.md"

#: Name on the package index of each package that is tried.
PACKAGES = (
    "langchain",
    "langchain-core",
    "langgraph",
    "llama-index-core",
    "deepagents",
    "deepeval",
    "langchain-anthropic",
    "langchain-classic",
    "langchain-deepseek",
    "langchain-google-genai",
    "langchain-groq",
    "langchain-mcp-adapters",
    "langchain-mistralai",
    "langchain-ollama",
    "langchain-openai",
    "langfuse",
    "langgraph-supervisor",
    "langgraph-swarm",
    "langserve",
    "llama-index-tools-mcp",
    "openinference-instrumentation-langchain",
    "openinference-instrumentation-llama-index",
    "ragas",
)
_ROW = re.compile(r"^\| `(?P<package>[a-z-]+)` \| (?P<version>[0-9.]+) \|", re.MULTILINE)


def documented() -> dict[str, str]:
    """Return the versions that the page lists, by package."""
    return {row["package"]: row["version"] for row in _ROW.finditer(PAGE.read_text("utf-8"))}
