"""`python -m recurra` is the `recurra` command."""

from .cli.main import main

main()
