"""`recurra generate`: generates text with a language model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .common import Import, RunFolder, open_run

if TYPE_CHECKING:
    from ..run import Run


def generate(
    run: RunFolder,
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="Text to continue.")] = "",
    length: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Number of tokens (one short text, or 200).")
    ] = None,
    temperature: Annotated[
        float, typer.Option(metavar="T", min=0, help="Temperature of sampling; 0 always takes the most probable token.")
    ] = 1.0,
    top_k: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Sample from the N most probable tokens.")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(metavar="P", help="Sample from the most probable tokens with this total probability."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Random seed; the same seed gives the same text.")
    ] = None,
    pattern: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Tones and rhymes of a Chinese poem: 平仄中韵 and punctuation.")
    ] = None,
    import_: Import = None,
) -> None:
    """Generate text with a language model.

    recurra generate runs/poems --prompt "Once" --temperature 0.8
    """
    loaded = open_run(run, import_)
    pieces = loaded.generate_iter(
        prompt, length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed, pattern=pattern
    )
    first = next(pieces, "")  # errors are reported before the prompt is printed
    print(_joined(loaded, prompt, first), end="", flush=True)
    for piece in pieces:
        print(piece, end="", flush=True)
    print()


def _joined(run: Run, prompt: str, first: str) -> str:
    """Words are joined with a space where their script has one; other tokens contain their own spaces."""
    if getattr(run.settings.data, "tokenization", None) != "words" or not prompt.strip():
        return prompt + first
    from ..data.words.pretokenize import join

    return join([prompt, first])
