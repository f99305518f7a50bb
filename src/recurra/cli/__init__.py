"""The command line: a file a command; `main.py` is the table of them."""
