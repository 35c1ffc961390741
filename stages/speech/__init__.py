"""Text to speech: one stage, one file per provider."""
