"""Text into tokens.

patterns.py    how text is cut; cutters.py other ways   vocabulary.py  tokens to numbers and back; counting.py, tokenstream.py
spelling.py    the pieces a word is spelt of            vectors.py     word vectors that others trained
schemes.py     how tags spell spans                     paragraphs.py  whether the pieces of a text stand alone
"""
