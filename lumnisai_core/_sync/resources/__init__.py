# Generated from lumnisai_core/_async/resources/__init__.py by `make sync`: change that file, not this one.
