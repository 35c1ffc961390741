"""The work: stages, sources and the ground they stand on."""
