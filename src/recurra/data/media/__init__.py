"""Images (files, idx, arrays) and sound as arrays of numbers."""
