"""Making LumnisLLM known to LlamaIndex' loader."""

from __future__ import annotations

from llama_index.core.llms.loading import RECOGNIZED_LLMS

from lumnisai_integrations.llama_index.llm import LumnisLLM


def register() -> None:
    """Let ``load_llm`` of LlamaIndex rebuild a :class:`LumnisLLM` from its ``to_dict``. May be called repeatedly."""
    RECOGNIZED_LLMS[LumnisLLM.class_name()] = LumnisLLM
