"""classify: predicts a class for each sequence."""
