"""Encoded examples in flat memory-mapped arrays: storing, splitting by hash, windows and batches."""
