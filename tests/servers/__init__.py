"""Loopback servers that speak the real protocols and misbehave on request."""
