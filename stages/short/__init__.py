"""A film of scenes: one continuous sound track, and the stream copy of all clips."""
