"""The privacy gateway in LlamaIndex."""
