"""The task transcribe: generates the text of each recording."""
