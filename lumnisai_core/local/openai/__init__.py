"""OpenAI's protocol in front of runs: chat completions, responses, conversations and models."""
