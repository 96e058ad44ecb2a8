# Generated from lumnisai_core/_transport/_async/__init__.py by `make sync`: change that file, not this one.
