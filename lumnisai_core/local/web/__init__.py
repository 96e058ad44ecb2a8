"""The web server that the emulated platforms share: application, layers, errors, OpenAPI."""
