"""`recurra generate`: text from a language model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .common import Import, RunFolder, open_run

if TYPE_CHECKING:
    from ..run import Run


def generate(
    run: RunFolder,
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="The text to go on from.")] = "",
    length: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Tokens; else a paragraph where those are short, or 200.")
    ] = None,
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
    pieces = loaded.generate_iter(prompt, length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    first = next(pieces, "")  # before the prompt is shown: what is wrong is told without it
    print(_joined(loaded, prompt, first), end="", flush=True)
    for piece in pieces:
        print(piece, end="", flush=True)
    print()


def _joined(run: Run, prompt: str, first: str) -> str:
    """Words are written with a space between them where their script has one; other tokens bring their own."""
    if getattr(run.settings.data, "tokenization", None) != "words" or not prompt.strip():
        return prompt + first
    from ..data.words.pretokenize import join

    return join([prompt, first])
