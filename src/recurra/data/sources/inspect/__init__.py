"""Looks at a file once, before it is read: samples of its bytes give its format, encoding, separator, header and columns.

inspect.py    the entry: `inspect_file(path, options)` returns `FileFacts`
facts.py      the facts, their form in config.yaml, and their summary
samples.py    bytes of the start, the middle and the end of a file
encodings.py  byte-order marks, UTF-8, UTF-16, and legacy encodings with a confidence
separators.py the separator and the quoting
headers.py    whether the first lines are names, and the names
cells.py      the type of a cell and of a column
"""
