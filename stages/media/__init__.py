"""Ground of the stages: processes, FFmpeg, probing, loudness."""
