"""`recurra generate`: text from a language model."""

from __future__ import annotations

from typing import Annotated

import typer

from .common import Import, RunFolder, open_run


def generate(
    run: RunFolder,
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="The text to go on from.")] = "",
    length: Annotated[int, typer.Option(metavar="N", min=1, help="Tokens to generate.")] = 200,
    temperature: Annotated[
        float, typer.Option(metavar="T", min=0, help="Below 1 safer, above 1 wilder; 0 takes the likeliest.")
    ] = 1.0,
    top_k: Annotated[int | None, typer.Option(metavar="N", min=1, help="Draw from the N likeliest tokens.")] = None,
    top_p: Annotated[
        float | None, typer.Option(metavar="P", help="Draw from the likeliest tokens that hold this probability.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="The same seed gives the same text.")] = None,
    import_: Import = None,
) -> None:
    """Generate text with a language model.

    recurra generate runs/poems --prompt "Once" --temperature 0.8
    """
    loaded = open_run(run, import_)
    print(loaded.generate(prompt, length=length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed))
