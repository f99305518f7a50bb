"""What tag is made of; `tasks/tag.py` says which file does what."""
