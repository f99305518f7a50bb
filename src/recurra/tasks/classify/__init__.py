"""classify: a class for each sequence."""
