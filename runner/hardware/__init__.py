"""What the machine has, and how much of it a run may take."""
