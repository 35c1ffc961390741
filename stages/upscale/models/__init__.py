"""Upscalers: networks, a filter, and where their weights come from."""
