"""Readers of data: a file, a folder or `hf:NAME` as a stream of rows or text.

sources.py        opens data by name                    rows.py                 the base class of sources, and rows
tables.py         CSV, TSV, JSON Lines                  parquet.py, arrays.py   Parquet and .npz files
folders.py        a folder of classes                   hub.py                  datasets of the Hugging Face hub
parallel_text.py  two parallel text files               conll.py                files of columns, CoNLL-U
tagged.py         tagged text of any form                column_layout.py        the layout of a file of columns
parallel_tags.py  folders of words and tags              token_rows.py           tables with one token per row
list_cells.py     lists in cells                         text_spans.py, span_documents.py   texts with spans of characters
long_format.py    tables with one row per time step     text.py                 text for language models
columns.py        finds the columns of text and targets row_errors.py           collects rows that cannot be used
"""
