"""Captions: the words of a scene as set type, shown while they are spoken."""
