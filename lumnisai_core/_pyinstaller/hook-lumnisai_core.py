"""PyInstaller: models and resources of the client, which are imported on first use."""

from PyInstaller.utils.hooks import collect_submodules

_APART = ("lumnisai_core.local", "lumnisai_core._pyinstaller")

hiddenimports = collect_submodules("lumnisai_core", filter=lambda name: not name.startswith(_APART))
