"""transcribe: the text of each recording."""
