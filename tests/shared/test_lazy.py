"""Public names that are imported when they are first asked for."""

from __future__ import annotations

import pytest

import lumnisai_integrations.langchain
import lumnisai_integrations.llama_index
from lumnisai_integrations import _shared

PACKAGES = [
    (lumnisai_integrations.langchain, "ChatLumnis", "langchain_core.messages", "langchain"),
    (lumnisai_integrations.llama_index, "LumnisLLM", "llama_index.core", "llama-index"),
]


@pytest.mark.parametrize(("package", "name", "framework", "extra"), PACKAGES, ids=["langchain", "llama_index"])
@pytest.mark.parametrize("missing", ["framework", "torch"])
def test_a_missing_framework_is_distinguished(
    package: object, name: str, framework: str, extra: str, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a missing framework is explained by its extra; another missing module stays the error it is."""
    module = framework if missing == "framework" else missing

    def fail(_: str) -> None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr(_shared, "import_module", fail)
    monkeypatch.delitem(vars(package), name, raising=False)
    with pytest.raises(ImportError) as caught:
        getattr(package, name)
    assert caught.value.name == module
    assert (f"lumnisai-integrations[{extra}]" in str(caught.value)) is (missing == "framework")
