"""Kinds of input of classify and regress: `input.py` says what one is, `kinds.py` lists them."""
