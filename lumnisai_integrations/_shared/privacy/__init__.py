"""The privacy guard behind both frameworks: nested data, placeholders, streams, calls to the gateway."""
