"""The YAML groups: pipeline, hardware, encoder, profile, providers."""
