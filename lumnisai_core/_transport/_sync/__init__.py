# Generated from lumnisai_core/_transport/_async/__init__.py by `make sync`; edit that file.
