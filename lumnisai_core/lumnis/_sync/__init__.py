# Generated from lumnisai_core/lumnis/_async/__init__.py by `make sync`: change that file, not this one.
