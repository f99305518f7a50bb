"""`recurra bench`: which back end is fastest where, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import progress


def bench(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME ...]", help="cells: rnn, gru, lstm; all")] = None,
    save: Annotated[bool, typer.Option("--save", help="Keep the table where every run here finds it.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it to a file: RECURRA_TABLE=FILE.")] = None,
    threads: Annotated[
        list[int] | None, typer.Option(metavar="N", min=1, help="With so many; may be given again. As torch has.")
    ] = None,
) -> None:
    """Measure which back end is fastest where on this machine, and keep that for `backend: auto`."""
    import torch

    from ..errors import CallError, near
    from ..ops import autotune, timings

    chosen = list(dict.fromkeys(names or autotune.CELLS))
    for name in chosen:
        if name not in autotune.CELLS:
            raise CallError(f"there is nothing to measure for {name!r}; {near(name, autotune.CELLS)}")
    if save and set(chosen) != set(autotune.CELLS):
        raise CallError("--save keeps a table of all cells; leave out the names, or use --out FILE")
    facts, counts = autotune.metadata(), sorted(set(threads or [torch.get_num_threads()]))
    print(f"{facts['machine']}; torch {facts['torch']}, threads: {', '.join(map(str, counts))}; float32, I = H")
    print(f"in use until now: {timings.state_of_table()}")
    print("seconds of a call, the best of some; leave the machine alone meanwhile")
    asked = list(autotune.signatures(chosen, counts))
    points: list[timings.Timing] = []
    with progress().bar("measuring", len(asked)) as bar:
        for n, (signature, size) in enumerate(asked):
            bar.at(n)
            points.append(autotune.measure(signature, size))
    print(
        f"\n{'cell':<6}{'':<10}{'rows':<8}{'dirs':>4}{'threads':>8}{'B':>5}{'T':>5}{'H':>5}   "
        "fastest, and how much longer others take"
    )
    for point in points:
        kind, (B, T, H) = point.signature, point.size
        best, *others = point.order
        longer = ", ".join(f"{name} {point.seconds[name] / point.seconds[best]:.2f}x" for name in others)
        print(
            f"{kind.cell:<6}{'training' if kind.training else 'forward':<10}{'ragged' if kind.ragged else 'even':<8}"
            f"{kind.directions:>4}{kind.threads:>8}{B:>5}{T:>5}{H:>5}   {best} {point.seconds[best]:.2e} s; "
            f"{longer or 'no other can'}"
        )
    for path in [*([timings.cache_path()] if save else []), *([out] if out else [])]:
        timings.write(path, points, facts)
        print(f"written: {path}")
    if not save and out is None:
        print("kept nowhere: --save keeps it for every run on this machine, --out FILE writes it to a file")
