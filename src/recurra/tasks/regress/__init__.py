"""regress: a number for each sequence."""
