"""Work on films: reading, encoding in pieces, joining."""
