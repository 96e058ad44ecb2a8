"""The application backend of the embedded service."""
