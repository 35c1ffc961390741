"""Search for the fastest settings that keep a quality: spaces, trials, what to try next, what to take."""
