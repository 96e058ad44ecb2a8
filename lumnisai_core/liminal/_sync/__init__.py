# Generated from lumnisai_core/liminal/_async/__init__.py by `make sync`; edit that file.
