"""The engines that answer runs of the embedded service."""
