"""The task `tag`; see `task.py`."""
