"""PyInstaller: the page and the parts of the embedded service."""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules

datas = collect_data_files("lumnisai_core.local")
hiddenimports = [*collect_submodules("lumnisai_core.local"), "mongomock.filtering"]
