"""The task `language`: the next token of a text."""
