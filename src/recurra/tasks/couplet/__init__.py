"""`couplet`: an answer that is as long as the question."""
