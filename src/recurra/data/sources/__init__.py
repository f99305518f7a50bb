"""A file, a folder or `hf:NAME` as rows or text, streamed.

sources.py  opens by what a thing is called       rows.py      what a source of rows is; badrows.py what cannot be used
tables.py   CSV, TSV, JSONL; parquet.py, hub.py   columns.py   which column is the text, the label, the number
folders.py  file names as classes                 tagged.py    CoNLL, CoNLL-U, triples; parallel.py two files side by side
text.py     text for a language model             longrows.py  a row a step, joined by series
"""
