"""PyInstaller: classes for LlamaIndex, which are imported on first use."""

from PyInstaller.utils.hooks import collect_submodules

hiddenimports = [
    *collect_submodules("lumnisai_integrations._shared"),
    *collect_submodules("lumnisai_integrations.llama_index"),
]
