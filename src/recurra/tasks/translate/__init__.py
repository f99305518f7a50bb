"""The task `translate`: it generates a text for each text."""
