"""Data: sources of rows and text, vocabularies, the encoded store, batches and windows, built-in sets.

    sources.py   rows of a table or folder, streamed        text.py      text for a language model, streamed
    columns.py   which column is the text, the label, ...   vocabulary.py  text to ids and back, also as a stream
    store.py     rows encoded once, memory-mapped           split.py     parts by a hash, duplicates
    batching.py  batches of like length                     windows.py   windows over one long sequence
    sets.py      the built-in sets                          report.py    what was read, in two or three lines
"""
