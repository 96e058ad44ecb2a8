# Generated from lumnisai_core/lumi/_async/__init__.py by `make sync`; edit that file.
