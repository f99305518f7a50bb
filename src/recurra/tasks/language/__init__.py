"""The task `language`: predicting the next token of a text."""
