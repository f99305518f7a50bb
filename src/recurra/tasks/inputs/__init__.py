"""Types of input of the N-to-1 tasks: `base.py` defines what one is, `registry.py` lists those that are found by themselves."""
