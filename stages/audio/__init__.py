"""Stages of sound."""
