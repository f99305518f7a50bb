"""Readers of data: a file, a folder or `hf:NAME` as a stream of rows or text.

sources.py        opens data by name                    rows.py                 the base class of sources, and rows
tables.py         CSV, TSV, JSON Lines                  parquet.py, arrays.py   Parquet and .npz files
folders.py        a folder of classes                   hub.py                  datasets of the Hugging Face hub
parallel_text.py  two parallel text files               conll.py                CoNLL, CoNLL-U, triples
long_format.py    tables with one row per time step     text.py                 text for language models
columns.py        finds the columns of text and targets row_errors.py           collects rows that cannot be used
"""
