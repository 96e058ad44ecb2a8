"""The rules of the offline engine: questions, quoted answers, tool calls. Pure functions."""
