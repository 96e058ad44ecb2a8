"""The Lumnis emulator: its routes, shapes and rules."""
