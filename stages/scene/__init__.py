"""Scenes: a still, its captions and the length of its speech become a clip."""
