from __future__ import annotations

from collections.abc import Callable

import pytest
from llama_index.core.llms import loading

from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.llama_index.lumnis.llm import LumnisLLM, register
from tests.llama_index.conftest import ANSWER, HELLO


@pytest.fixture
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "RECOGNIZED_LLMS", loading.RECOGNIZED_LLMS)
    monkeypatch.delitem(loading.RECOGNIZED_LLMS, "lumnis_llm", raising=False)


@pytest.mark.usefixtures("_known")
def test_registering(make: Callable[..., LumnisLLM], local: LocalLumnis, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ``register()``, however often, LlamaIndex' loader rebuilds the LLM; the key is that of the environment."""
    saved = make(model="openai:gpt-4o").to_dict()
    with pytest.raises(ValueError, match="Invalid LLM name: lumnis_llm"):
        loading.load_llm(saved)
    register()
    register()
    monkeypatch.setenv("LUMNISAI_API_KEY", local.api_key)
    llm = loading.load_llm(saved)
    assert isinstance(llm, LumnisLLM)
    assert (llm.model, llm.chat(HELLO).message.content) == ("openai:gpt-4o", ANSWER)
    llm.close()
