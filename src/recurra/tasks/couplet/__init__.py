"""The task `couplet`: it generates an answer of the same length as the question."""
