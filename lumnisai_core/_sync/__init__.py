# Generated from lumnisai_core/_async/__init__.py by `make sync`: change that file, not this one.
