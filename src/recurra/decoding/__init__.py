"""Searching and sampling: beam search, CTC, sampling of tokens."""
