"""Readers of images (files, idx, arrays) and of audio, which return arrays of numbers."""
