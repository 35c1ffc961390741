"""Scripts: what a film says and shows, scene by scene."""
