"""Data: from a file to batches.

sources/   a file, folder or hub as rows or text, streamed      words/    text into tokens: cutting, vocabularies, vectors
series/    tables as series of numbers over time                media/    images and sound
store/     rows encoded once, memory-mapped; split, batched     sets/     the built-in sets
report.py  what was read, in two or three lines
"""
