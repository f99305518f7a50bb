"""`recurra data`: the built-in datasets."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated

import typer

ROWS, WIDTH = 4, 96


def data(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Name of the built-in dataset to write to a file.")
    ] = None,
) -> None:
    """List the built-in datasets, or write one and show its first rows."""
    from ..data import sets

    known = sets.known()
    if name is None:
        width = max(map(len, known))
        for each, line in known.items():
            print(f"{each:<{width}}  {line}")
        print(
            "\nrecurra data NAME writes a dataset and shows its first rows. NAME can be used as DATA of recurra train."
        )
        return
    path = sets.make(name)
    print(f"{name}: {known[name]}")
    print(path)
    for line in _first_lines(path):
        print(f"  {line}")
    print(_command(name, known[name]))


def _first_lines(path: Path) -> list[str]:
    if path.suffix == ".npz":
        from ..data.sources.sources import open_source

        rows = open_source(path).first_rows()[:ROWS]
        return [", ".join(f"{name}: {_shown(value)}" for name, value in row.values.items()) for row in rows]
    with path.open(encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in itertools.islice(file, ROWS)]
    return [line if len(line) <= WIDTH else line[: WIDTH - 1] + "…" for line in lines]


def _shown(value: object) -> str:
    shape = getattr(value, "shape", ())
    return f"{' x '.join(map(str, shape))} numbers" if shape else str(value)


def _command(name: str, description: str) -> str:
    """The command that trains on the dataset. A description begins with the task that the dataset is made for."""
    return f"train on it:  recurra train {description.partition(':')[0]} {name}"
