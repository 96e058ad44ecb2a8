"""The observability service, emulated: sessions, events and their payloads, prompts, datasets, flags."""
