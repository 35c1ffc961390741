"""Upscaling of films: models, the stream of frames through them, and its guards."""
