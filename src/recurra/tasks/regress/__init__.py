"""regress: predicts a number for each sequence."""
