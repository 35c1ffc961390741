"""Sources and stages of text."""
