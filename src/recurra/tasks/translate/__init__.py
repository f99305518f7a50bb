"""`translate`: a text for each text."""
