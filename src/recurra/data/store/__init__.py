"""Rows encoded once into flat memory-mapped arrays, split by a hash, cut into windows, gathered into batches."""
