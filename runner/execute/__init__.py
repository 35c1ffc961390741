"""Running a frozen plan."""
