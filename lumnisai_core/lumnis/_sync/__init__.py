# Generated from lumnisai_core/lumnis/_async/__init__.py by `make sync`; edit that file.
