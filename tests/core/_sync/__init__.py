# Generated from tests/core/_async/__init__.py by `make sync`; edit that file.
