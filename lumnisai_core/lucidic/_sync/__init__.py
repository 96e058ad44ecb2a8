# Generated from lumnisai_core/lucidic/_async/__init__.py by `make sync`; edit that file.
