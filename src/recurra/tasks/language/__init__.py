"""What language is made of: the network, a text read in pieces, drawing of tokens, a run that others begin from."""
